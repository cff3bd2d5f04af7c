import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createClient } from 'redis'
import t, { type Test } from 'tap'
import { ACTIVE, EXPIRIES, forget, touch } from '../../examples/redis/user-sessions.js'
import { until } from '../support/events.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryFolder } from '../support/service.ts'
import { EMAIL, PAST_LEEWAY_MS, startCurfew, startExample } from './example.ts'

const skip = spawnSync('redis-server', ['--version']).status !== 0 && 'redis-server is not on the PATH'

const NAME = JSON.stringify({ email: EMAIL })
const LONG_MS = 3_600_000
const LISTENER = [process.execPath, 'redis/listener.js'] as const

/** Redis on a free port, and Curfew. Both end with the test. */
async function setUp(t: Test) {
  const port = await freePort()
  const settings = { port, bind: '127.0.0.1', dir: temporaryFolder(t), 'notify-keyspace-events': 'Ex' }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const server = spawn('redis-server', [...args, '--save', ''], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(async () => {
    if (server.exitCode !== null) return
    server.kill('SIGKILL')
    await once(server, 'exit')
  })
  for (let output = ''; !output.includes('Ready to accept connections'); ) {
    output += String((await once(server.stdout, 'data'))[0])
  }
  server.stdout.resume()
  const url = `redis://127.0.0.1:${port}`
  const redis = createClient({ url })
  await redis.connect()
  t.teardown(() => redis.destroy())
  const curfew = await startCurfew(t)
  return {
    ...curfew,
    redis,
    listen: (curfewUrl = curfew.front.url) => startExample(t, LISTENER, curfewUrl, { REDIS_URL: url }),
    async untilHandled() {
      await until('the entry is removed', async () => (await redis.zCard(EXPIRIES)) === 0)
    },
    /** Lets the user's latest session expire, and Redis notice it. */
    async expireUnseen() {
      await touch(redis, { email: EMAIL }, 1)
      await until('the key has expired', async () => (await redis.exists(ACTIVE + NAME)) === 0)
    },
  }
}

t.test('a session that expires ends all tokens', { skip }, async (t) => {
  const { redis, listen, untilHandled, revocation, front, tokens } = await setUp(t)
  const listener = await listen()
  await touch(redis, { email: EMAIL }, LONG_MS)
  const expiredAt = Date.now() + 20
  await touch(redis, { email: EMAIL }, 20)
  await untilHandled()
  t.match(await revocation(), { status: 'completed', reason: 'session-expired', tokens: { revoked: 2 } })
  t.same(tokens(), [])
  const { occurredAt } = JSON.parse(String(front.attempts[0]?.body))
  t.ok(Date.parse(occurredAt) >= expiredAt && Date.parse(occurredAt) <= Date.now())
  t.notOk(listener.output().includes(EMAIL))
})

t.test('a listener that was down finds what it has missed', { skip }, async (t) => {
  const { service, clock, ann, listen, expireUnseen, untilHandled, revocation, tokens } = await setUp(t)
  await expireUnseen()
  clock.skip(PAST_LEEWAY_MS)
  const later = service.sandbox.tenant.issueTokens(ann.id, 1).map(({ id }) => id)
  await listen()
  await untilHandled()
  t.match(await revocation(), { status: 'completed', tokens: { revoked: 2, kept: 1 } })
  t.same(tokens(), later, 'what was granted after the expiry is kept')
})

t.test('a request that fails, or is lost with its listener, is repeated', { skip }, async (t) => {
  const { service, redis, listen, expireUnseen, untilHandled, front, tokens } = await setUp(t)
  await expireUnseen()
  front.fates.push({ status: 403 })
  const rejected = await listen()
  await rejected.logged('"code":"HTTP_403"')
  t.notOk(rejected.output().includes(EMAIL))
  t.equal(await rejected.end('SIGKILL'), 'SIGKILL')
  t.equal(await redis.zCard(EXPIRIES), 1)

  const hanging = Promise.withResolvers<void>()
  front.fates.push('lose-answer', () => {
    hanging.resolve()
    return new Promise(() => {})
  })
  const killed = await listen()
  await hanging.promise
  t.equal(await killed.end('SIGKILL'), 'SIGKILL')
  t.equal(await redis.zCard(EXPIRIES), 1)

  await listen()
  await untilHandled()
  t.equal((await service.stored()).length, 1)
  t.equal(new Set(front.attempts.map(({ headers }) => headers['webhook-id'])).size, 1)
  t.same(tokens(), [])
})

t.test('a listener that reconnects finds what it has missed', { skip }, async (t) => {
  const { redis, listen, expireUnseen, untilHandled, front } = await setUp(t)
  await expireUnseen()
  const listener = await listen()
  await untilHandled()
  await redis.zAdd(EXPIRIES, { score: Date.now() - 1, value: NAME })
  await redis.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub'])
  await untilHandled()
  t.equal(front.attempts.length, 2)
  t.match(listener.output(), '"msg":"Error of the listener"')
})

t.test('entries that fail do not delay the others', { skip }, async (t) => {
  const { redis, listen, expireUnseen, tokens, revocation } = await setUp(t)
  const unreadable = Array.from({ length: 250 }, (_, index) => ({ score: 1, value: `not-json-${index}` }))
  await redis.zAdd(EXPIRIES, unreadable)
  await expireUnseen()
  await listen()
  await until('the user is handled', async () => (await redis.zScore(EXPIRIES, NAME)) === null)
  t.match(await revocation(), { status: 'completed' })
  t.same(tokens(), [])
  t.equal(await redis.zCard(EXPIRIES), 250)
})

t.test('several listeners make one revocation', { skip }, async (t) => {
  const { service, redis, listen, untilHandled } = await setUp(t)
  await Promise.all([listen(), listen()])
  await touch(redis, { email: EMAIL }, 20)
  await untilHandled()
  t.equal((await service.stored()).length, 1)
})

t.test('a user who is active or has logged out is left alone', { skip }, async (t) => {
  const { service, redis, listen, front } = await setUp(t)
  const users = ['active', 'logged-out'].map((name) => ({ email: `${name}@example.com` }))
  for (const user of users) await touch(redis, user, LONG_MS)
  const [active, loggedOut] = users
  if (!active || !loggedOut) throw new Error('there are two')
  // As if the clock of the application were behind.
  await redis.zAdd(EXPIRIES, { score: Date.now() - LONG_MS, value: JSON.stringify(active) })
  await forget(redis, loggedOut)
  await touch(redis, { email: EMAIL }, 1)
  await until('the key has expired', async () => (await redis.exists(ACTIVE + NAME)) === 0)
  await listen()
  await until('the entry is removed', async () => (await redis.zScore(EXPIRIES, NAME)) === null)
  t.match(await service.stored(), [{ user: { email: EMAIL } }])
  t.equal(front.attempts.length, 1)
  t.same(await redis.zRange(EXPIRIES, 0, -1), [JSON.stringify(active)])
})
