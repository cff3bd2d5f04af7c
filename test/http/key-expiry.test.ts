import t from 'tap'
import { expiringKeys, expiryChecks, untilNextWarning } from '../../src/http/key-expiry.ts'
import { entriesOf, keyOf, startWithKeys, withKey } from '../support/api-keys.ts'
import { fakeClock } from '../support/clock.ts'
import { isProblem, nothingStored } from '../support/problems.ts'
import { rejectionLines } from '../support/rejections.ts'
import type { Service } from '../support/service.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const T0 = Date.parse('2026-05-04T12:00:00Z')
const iso = (ms: number) => new Date(ms).toISOString()
const expiring = (name: string, expiresAt: number | null) => ({ name, notBefore: null, expiresAt })

t.test('a key is announced 14 days before its end, until it has expired', async (t) => {
  const at = 100 * DAY
  const keys = [expiring('a', at), expiring('never', null), expiring('later', at + 50 * DAY)]
  const cases = [
    [at - 14 * DAY - 1, [], []],
    [at - 14 * DAY, ['a'], []],
    [at - 1, ['a'], []],
    [at, [], ['a']],
    [at + 20 * DAY, [], ['a']],
  ] as const
  for (const [now, soon, expired] of cases) {
    const found = expiringKeys(keys, now)
    t.same([found.soon.map(({ name }) => name), found.expired.map(({ name }) => name)], [soon, expired])
    t.equal(expiryChecks(keys, now).length, soon.length + expired.length)
  }
  t.match(expiryChecks(keys, at), [
    { name: 'api-keys', status: 'warning', detail: /^1 of 3 API keys have expired/ },
  ])
})

t.test('warnings are logged again when they change, and once a day', async (t) => {
  const at = 100 * DAY
  t.equal(untilNextWarning([], 0), null)
  t.equal(untilNextWarning([expiring('never', null)], 0), null)
  const keys = [expiring('a', at)]
  t.equal(untilNextWarning(keys, 0), DAY)
  t.equal(untilNextWarning(keys, at - 14 * DAY - 5), 5)
  t.equal(untilNextWarning(keys, at - 14 * DAY), DAY)
  t.equal(untilNextWarning(keys, at - 7), 7)
  t.equal(untilNextWarning(keys, at), DAY)
})

/** The warnings about API keys in the log: `message name`. */
const warned = ({ logLines }: Service) =>
  logLines
    .map((line) => JSON.parse(line))
    .filter(({ apiKey }) => apiKey !== undefined)
    .map(({ level, msg, apiKey, reason }) => [level, msg, apiKey, reason].join(' ').trim())

async function readiness(service: Service) {
  const { status, json } = await service.call('GET', '/health/ready', { headers: { authorization: '' } })
  return { status, check: json.checks.find(({ name }: { name: string }) => name === 'api-keys') }
}

t.test('outside its validity a key gets the 401 of an unknown one, and the log has the reason', async (t) => {
  const clock = fakeClock(T0)
  const service = await startWithKeys(
    t,
    { guest: { notBefore: iso(T0 + MINUTE), expiresAt: iso(T0 + 3 * MINUTE) } },
    { clock, sandbox: { now: clock.now } },
  )
  const get = (name: string) => service.call('GET', '/revocations', withKey(name))
  const unknown = await get('nobody')
  isProblem(t, unknown, 'CURFEW_UNAUTHENTICATED')
  const isLikeUnknown = async () => {
    const { status, json, headers } = await get('guest')
    t.equal(status, 401)
    t.same({ ...json, requestId: '' }, { ...unknown.json, requestId: '' })
    t.same([...headers.keys()].sort(), [...unknown.headers.keys()].sort())
  }
  const rejections = () =>
    rejectionLines(service).flatMap(({ sender, validity }) => (validity ? [`${sender} ${validity}`] : []))
  await isLikeUnknown()
  await isLikeUnknown()
  t.same(rejections(), ['guest not-yet-valid'], 'once a minute')

  clock.advance(MINUTE)
  t.equal((await get('guest')).status, 200)
  clock.advance(2 * MINUTE - 1)
  t.equal((await get('guest')).status, 200)
  clock.advance(1)
  await isLikeUnknown()
  t.equal(rejections().at(-1), 'guest expired')
  t.equal(rejections().length, 2)
  isProblem(
    t,
    await service.call('POST', '/logout-hook', { ...withKey('guest'), body: { userId: 'u1' } }),
    'CURFEW_UNAUTHENTICATED',
  )
  t.notMatch(service.logLines.join(''), keyOf('guest'))
  await nothingStored(t, service)
})

t.test('14 days before its end a key is a warning in the log and in readiness', async (t) => {
  const clock = fakeClock(T0)
  const service = await startWithKeys(
    t,
    { guest: { expiresAt: iso(T0 + 20 * DAY) }, never: {} },
    { clock, sandbox: { now: clock.now } },
  )
  t.equal((await readiness(service)).check, undefined)
  for (let day = 1; day < 6; day += 1) clock.leap(DAY)
  clock.leap(DAY - 1)
  t.same(warned(service), [])
  clock.advance(1)
  t.same(warned(service), ['40 an API key expires soon guest'])
  const { status, check } = await readiness(service)
  t.equal(status, 200, 'still ready')
  t.match(check, { status: 'warning', detail: /^1 of 4 API keys expire within 14 days/ })
  t.notMatch(JSON.stringify(check), 'guest')
  for (let day = 1; day <= 14; day += 1) clock.leap(DAY)
  t.equal(warned(service).length, 1 + 14, 'once a day, then the end')
  t.equal(warned(service).at(-1), '40 an API key has expired guest')
  t.match((await readiness(service)).check, { status: 'warning', detail: /^1 of 4 API keys have expired/ })

  service.file.write({ apiKeys: entriesOf({ next: { expiresAt: iso(clock.now() + 10 * DAY) } }) })
  t.equal((await service.call('POST', '/config/reload')).status, 200)
  t.equal(warned(service).at(-1), '40 an API key expires soon next', 'a reload warns at once')
  service.file.write({ apiKeys: entriesOf({ never: {} }) })
  t.equal((await service.call('POST', '/config/reload')).status, 200)
  const lines = warned(service).length
  for (let day = 1; day <= 20; day += 1) clock.leap(DAY)
  t.equal(warned(service).length, lines, 'a removed key is no warning')
  t.equal((await readiness(service)).check, undefined)
})
