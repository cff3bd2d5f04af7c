import t from 'tap'
import { KeyPrefetch } from '../../../src/sources/token/key-prefetch.ts'
import { fakeClock } from '../../support/clock.ts'
import { JWKS, startIssuer } from '../../support/issuer.ts'
import { startLogoutService } from '../../support/logout-service.ts'

/** Keys whose fetches end when the test ends them. */
function slowKeys() {
  const fetches: { resolve: () => void; reject: (error: Error) => void }[] = []
  const prefetch = () => new Promise<void>((resolve, reject) => fetches.push({ resolve, reject }))
  return { fetches, keys: { prefetch } }
}

const turn = () => new Promise(setImmediate)

function start() {
  const clock = fakeClock()
  const lines: object[] = []
  const log = { warn: (details: object) => void lines.push(details) }
  return { clock, lines, prefetch: new KeyPrefetch({ clock, random: () => 1, log }) }
}

t.test('at most four fetches run at the same time, and all sources are fetched', async (t) => {
  const { prefetch } = start()
  const { fetches, keys } = slowKeys()
  prefetch.replace(Array.from({ length: 10 }, (_, index) => ({ source: `s${index}`, keys })))
  t.equal(fetches.length, 4)
  for (let ended = 0; ended < 10; ended += 1) {
    fetches[ended]?.resolve()
    await turn()
    t.equal(fetches.length, Math.min(10, ended + 5))
  }
})

t.test('a failure is logged once and retried until the keys are known', async (t) => {
  const { prefetch, clock, lines } = start()
  const { fetches, keys } = slowKeys()
  prefetch.replace([{ source: 'op', keys }])
  for (const wait of [1_000, 2_000, 4_000]) {
    fetches.at(-1)?.reject(new Error('unavailable'))
    await turn()
    t.equal(clock.untilNextTimer(), wait)
    clock.advance(wait)
    await turn()
  }
  t.equal(fetches.length, 4)
  t.match(lines, [{ source: 'op', err: Error }])
  fetches.at(-1)?.resolve()
  await turn()
  t.equal(clock.untilNextTimer(), null)
})

t.test('replaced or stopped, it retries nothing and logs nothing', async (t) => {
  const { prefetch, clock, lines } = start()
  const { fetches, keys } = slowKeys()
  prefetch.replace([{ source: 'op', keys }])
  prefetch.replace([])
  fetches[0]?.reject(new Error('closed'))
  await turn()
  prefetch.stop()
  t.same([fetches.length, lines.length, clock.untilNextTimer()], [1, 0, null])
})

t.test('keys are fetched at start and after a reload, before any token', async (t) => {
  const service = await startLogoutService(t)
  const until = async (isDone: () => boolean) => {
    while (!isDone()) await service.call('GET', '/health/live')
  }
  await until(() => service.issuer.asked(JWKS) === 1)
  const other = await startIssuer(t)
  await service.configure([service.entry(), service.entry({ name: 'other', issuer: other.url })])
  await until(() => other.asked(JWKS) === 1)
  t.equal((await service.logout(await service.token())).status, 200)
  t.equal(service.issuer.asked(JWKS), 1, 'kept across the reload')
})

t.test('the first logout of a provider that serves one request at a time is accepted', async (t) => {
  const service = await startLogoutService(t)
  while (service.issuer.asked(JWKS) === 0) await service.call('GET', '/health/live')
  service.issuer.answer(JWKS, () => {})
  t.equal((await service.logout(await service.token())).status, 200)
})

t.test('an issuer that is unavailable at the start does not prevent it', async (t) => {
  const issuer = await startIssuer(t)
  issuer.answer(JWKS, (_, response) => void response.writeHead(500).end())
  const service = await startLogoutService(t, { entry: { jwksUri: issuer.jwksUri } })
  while (!service.logLines.some((line) => line.includes('could not fetch the keys of a source')))
    await service.call('GET', '/health/live')
  t.equal((await service.call('GET', '/health/ready')).status, 200)
})
