import t, { type Test } from 'tap'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { fakeClock } from '../support/clock.ts'
import { tokenPlayers } from '../support/every-kind.ts'
import { startIssuer } from '../support/issuer.ts'
import type { ServiceOptions } from '../support/service.ts'
import { startWithSources } from '../support/source-service.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { vendorOf } from '../support/vendor-service.ts'

const BURST = 200

/** The service with a source that looks up the user before it responds, and one that does not. */
async function start(t: Test, options: ServiceOptions = {}) {
  const issuer = await startIssuer(t)
  const token = tokenPlayers(issuer).find(({ kind }) => kind === 'global-token-revocation')
  if (!token) throw new Error('no such kind')
  const { kind, secret, entry, sign, answer } = vendorOf('generic')
  const generic = { name: kind, kind, secret, ...entry }
  const service = await startWithSources(t, [token.entry, generic], options)
  const lookups = () => service.sandbox.tenant.calls.filter(({ route }) => route === 'users').length
  return {
    service,
    lookups,
    async revoke(email: string) {
      const { headers } = token.send(await issuer.sign(token.claims(), { typ: token.typ }))
      const body = { sub_id: { format: 'email', email } }
      return (await service.call('POST', token.path, { body, headers })).status
    },
    async webhook(mails: string[]) {
      const events = mails.map((mail) => ({ kind: 'signed-out', who: { mail } }))
      const body = JSON.stringify(events)
      const proof = await sign(body, { secret, at: Date.now() })
      const headers = { authorization: '', 'content-type': 'application/json', ...proof }
      const { status } = await service.call('POST', `/sources/${kind}/webhook`, { body, headers })
      t.equal(status, answer)
    },
  }
}
const users = (count: number) => Array.from({ length: count }, (_, index) => `nobody-${index}@example.com`)

/**
 * The service with a tenant that responds on demand. The clock stands still, so nothing times out on a slow machine.
 */
async function startHeld(t: Test, environment: Record<string, string> = {}) {
  const sandbox = await startSandbox()
  t.teardown(() => sandbox.close())
  const proxy = await startTcpProxy(t, Number(new URL(sandbox.url).port))
  const started = await start(t, {
    clock: fakeClock(),
    share: { sandbox, client: sandbox.tenant.addClient() },
    environment: { QLIK_TENANT_URL: proxy.through(sandbox.url), ...environment },
  })
  return { ...started, proxy }
}

t.test('a burst of revocations for unknown users takes a few lookups', async (t) => {
  const { proxy, service, revoke, lookups } = await startHeld(t)
  const known = 'known@example.com'
  t.equal(await revoke(known), 404)
  proxy.hold()
  let arrived = 0
  service.app.server.on('request', () => {
    arrived += 1
  })
  const burst = users(BURST).map(revoke)
  // Later requests without a lookup get their response when the lookups have started.
  for (let more = 0; arrived < BURST + more; more += 1) await revoke(known)
  t.equal(await revoke(known), 404)
  proxy.pass()
  for (const status of await Promise.all(burst)) t.equal(status, 404)
  t.ok(lookups() <= BURST / 4, `${lookups()} lookups for ${BURST} users`)
})

t.test('a burst of events for unknown users takes a few lookups, and every event finishes', async (t) => {
  // Twice the number of concurrent revocations.
  const { proxy, service, webhook, lookups } = await startHeld(t, { REVOKE_CONCURRENCY: String(BURST / 2) })
  proxy.hold()
  await webhook(users(BURST))
  const running = async () => (await service.call('GET', '/revocations?status=running&limit=200')).json.items
  while ((await running()).length < BURST);
  proxy.pass()
  const stored = await service.stored()
  t.equal(stored.length, BURST)
  for (const { id } of stored) t.match(await service.ended(id), { outcome: 'no-matching-user' })
  t.ok(lookups() <= BURST / 4, `${lookups()} lookups for ${BURST} users`)
})

t.test('an unknown name is looked up once in two seconds, however many requests there are', async (t) => {
  const clock = fakeClock()
  const { revoke, lookups } = await start(t, { clock, sandbox: { now: clock.now } })
  for (const round of [1, 2]) {
    for (let index = 0; index < 20; index += 1) t.equal(await revoke('nobody@example.com'), 404)
    t.equal(lookups(), round)
    clock.advance(2_000)
  }
})
