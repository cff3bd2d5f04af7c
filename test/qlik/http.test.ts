import { createServer } from 'node:http'
import t, { type Test } from 'tap'
import { widthOf } from '../../src/base/interval.ts'
import { QlikHttp } from '../../src/qlik/http.ts'
import { httpDate } from '../../src/sandbox/http-date.ts'
import { type FakeClock, fakeClock } from '../support/clock.ts'
import { rejection } from '../support/events.ts'
import { listen } from '../support/listen.ts'
import { clientOf, FIRST, json, SIGNAL, withAnswer, withSandbox } from './open-client.ts'

t.test('every kind of unreadable or missing response is a failure of its kind, and ends', async (t) => {
  const { client, sandbox, tenant, accessToken } = await withSandbox(t)
  // For calls without a response.
  const impatient = clientOf(t, sandbox.url, undefined, 300).client
  const user = tenant.addUser()
  tenant.issueTokens(user.id, 2)
  const list = (by = client) => by.listTokens(accessToken, { userId: user.id, page: null }, SIGNAL)
  for (const [fault, failure] of [
    [{ kind: 'status', status: 500 }, { kind: 'unavailable' }],
    [{ kind: 'status', status: 503 }, { kind: 'unavailable' }],
    [{ kind: 'status', status: 408 }, { kind: 'unavailable' }],
    [{ kind: 'status', status: 400 }, { kind: 'rejected' }],
    [{ kind: 'status', status: 414 }, { kind: 'rejected' }],
    [{ kind: 'status', status: 401 }, { kind: 'unauthorized' }],
    [{ kind: 'status', status: 403 }, { kind: 'forbidden' }],
    [{ kind: 'status', status: 404 }, { kind: 'unreadable' }],
    [{ kind: 'status', status: 204 }, { kind: 'unreadable' }],
    [
      { kind: 'rate-limited', seconds: 13 },
      { kind: 'rate-limited', retryAfterMs: 13_000 },
    ],
    [
      { kind: 'rate-limited', retryAfter: 'missing' },
      { kind: 'rate-limited', retryAfterMs: null },
    ],
    [{ kind: 'redirect' }, { kind: 'unreadable' }],
    [{ kind: 'reset' }, { kind: 'unavailable' }],
    [{ kind: 'hang' }, { kind: 'unavailable' }],
    [{ kind: 'trickle', intervalMs: 50 }, { kind: 'unavailable' }],
    [{ kind: 'huge-body', bytes: 5 * 1024 * 1024 }, { kind: 'unavailable' }],
    [{ kind: 'broken-json' }, { kind: 'unreadable' }],
    [{ kind: 'wrong-schema' }, { kind: 'unreadable' }],
  ] as const) {
    tenant.order({ ...fault, route: 'list' })
    const isEndless = fault.kind === 'hang' || fault.kind === 'trickle'
    t.match(await rejection(list(isEndless ? impatient : client)), failure, JSON.stringify(fault))
  }
  t.equal((await list()).tokens.length, 2, 'the next call succeeds')
})

t.test("a 429's date is read by the tenant's clock", async (t) => {
  const { client, tenant, accessToken, http } = await withSandbox(t, { clockSkewMs: 3_600_000 })
  t.ok(Math.abs(http.wallOffsetMs - 3_600_000) < 2_000)
  tenant.order({ kind: 'rate-limited', seconds: 60, retryAfter: 'date', route: 'list' })
  const failure = await rejection(client.listTokens(accessToken, FIRST, SIGNAL))
  t.match(failure, { kind: 'rate-limited' })
  t.ok(Math.abs(Number(Object(failure).retryAfterMs) - 60_000) < 3_000)
})

/** A client, and a tenant that responds with these `Date` headers, both on a fake clock. */
async function withDates(t: Test, dateOf: (clock: FakeClock) => string | undefined) {
  const clock = fakeClock()
  const server = createServer((_request, response) => {
    response.sendDate = false
    const date = dateOf(clock)
    response.writeHead(200, date === undefined ? {} : { date }).end('{}')
  })
  const origin = `http://127.0.0.1:${await listen(server)}`
  const http = new QlikHttp({ origin, apiVersion: '2026-11', timeoutMs: 60_000, clock, onCall: () => {} })
  t.teardown(async () => {
    await http.close()
    server.close()
  })
  const ask = () => http.send({ route: 'list', method: 'GET', path: '/', signal: SIGNAL })
  return { clock, http, ask }
}

t.test('a Date that is missing, nonsense or days away is ignored', async (t) => {
  const DAYS = 3 * 86_400_000
  const { http, ask, clock } = await withDates(t, () => dates.shift())
  const good = httpDate(clock.now() + 60_000)
  const bad = [undefined, '', 'soon', '1', httpDate(clock.now() - DAYS), httpDate(clock.now() + DAYS)]
  const dates = [...bad, good, ...bad]
  for (const date of bad) {
    t.equal((await ask()).date, clock.now(), `our own time stands in for ${date}`)
    t.equal(http.clockOffset, null)
    t.equal(http.wallOffsetMs, 0)
  }
  await ask()
  const known = http.clockOffset
  t.ok(Math.abs(http.wallOffsetMs - 60_000) < 1_000)
  for (const date of bad) {
    await ask()
    t.same(http.clockOffset, known, `${date}`)
  }
})

t.test(
  'with a response that arrives 8 s after its Date, the interval contains the true offset',
  async (t) => {
    const AHEAD = 90_000
    const { http, ask, clock } = await withDates(t, (clock) => {
      const date = httpDate(clock.now() + AHEAD)
      clock.advance(8_000)
      return date
    })
    const truth = clock.now() - clock.monotonic() + AHEAD
    await ask()
    const interval = http.clockOffset
    t.ok(interval && interval.earliest <= truth && truth <= interval.latest)
    t.ok(interval && widthOf(interval) >= 9_000)
  },
)

t.test('after our wall clock is set, the offset of the tenant is measured again', async (t) => {
  let tenantNow = 0
  const { http, ask, clock } = await withDates(t, () => httpDate(tenantNow))
  tenantNow = clock.now()
  await ask()
  clock.jump(-600_000)
  t.equal(http.clockOffset, null)
  await ask()
  t.ok(Math.abs(http.wallOffsetMs - 600_000) < 1_000)
})

t.test('a Retry-After date is never shortened, however wrong the clock that wrote it', async (t) => {
  for (const [date, retryAfter, ms] of [
    ['Sat, 21 Nov 2026 12:00:00 GMT', 'Sat, 21 Nov 2026 12:00:40 GMT', 40_000],
    ['Sat, 21 Nov 1998 12:00:00 GMT', 'Sat, 21 Nov 1998 12:00:40 GMT', 40_000],
    ['Sat, 21 Nov 2026 12:00:00 GMT', 'Saturday, 21-Nov-26 12:00:40 GMT', 40_000],
    ['Sat, 21 Nov 2026 12:00:00 GMT', 'Sat, 21 Nov 2026 13:00:40 +0100', null],
  ] as const) {
    const client = await withAnswer(t, json({}, 429, { date, 'retry-after': retryAfter }))
    t.match(await rejection(client.listTokens('x', FIRST, SIGNAL)), { retryAfterMs: ms }, retryAfter)
  }
})

t.test('without a Date, a date is read by the known clock, half a second early', async (t) => {
  const at = Math.ceil(Date.now() / 1000) * 1000 + 40_000
  const client = await withAnswer(t, (_request, response) => {
    response.sendDate = false
    response.writeHead(429, { 'retry-after': new Date(at).toUTCString() }).end('{}')
  })
  const { retryAfterMs } = Object(await rejection(client.listTokens('x', FIRST, SIGNAL)))
  t.ok(retryAfterMs >= at - Date.now() + 500, String(retryAfterMs))
})

t.test('aborting ends a call immediately, with the given reason', async (t) => {
  const { client, sandbox, accessToken } = await withSandbox(t)
  sandbox.tenant.order({ kind: 'hang', route: 'list' })
  const abort = new AbortController()
  const call = client.listTokens(accessToken, FIRST, abort.signal)
  abort.abort(new Error('enough'))
  await t.rejects(call, { message: 'enough' })
})

t.test('failures contain nothing that Qlik sent or received', async (t) => {
  const client = await withAnswer(t, json({ errors: [{ code: 'ann@example.com', title: 'secret' }] }, 500))
  await t.rejects(client.listTokens('x', FIRST, SIGNAL), {
    message: 'Qlik Cloud responded to list with 500.',
  })
})
