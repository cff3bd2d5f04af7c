import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { systemClock } from '../../../src/base/clock.ts'
import type { LedgerLimits } from '../../../src/qlik/budget/ledger.ts'
import type { ExchangeRequest } from '../../../src/qlik/budget/permit-log.ts'
import { SharedLedger } from '../../../src/qlik/budget/shared-ledger.ts'
import { TierGate } from '../../../src/qlik/budget/tier-gate.ts'
import { importBudget } from '../../../src/stores/migrate/postgres-import.ts'
import { PostgresDatabase } from '../../../src/stores/postgres/database.ts'
import { MIGRATIONS } from '../../../src/stores/postgres/migrations.ts'
import { openPostgresStore } from '../../../src/stores/postgres/store.ts'
import { SILENT } from '../../conformance/stores.ts'
import { startPostgres } from '../../support/postgres.ts'

const server = await startPostgres(t)
const key = { origin: 'https://a', tenant: 'default', client: 'c', tier: 2 } as const

/** Processes that share a budget. */
async function processes(t: Test, count: number) {
  const url = await server.createDatabase()
  const open = async () => {
    const store = await openPostgresStore(url, { connections: 2, clock: systemClock, log: SILENT })
    t.teardown(() => store.close())
    return store.permits
  }
  return { url, permits: await Promise.all(Array.from({ length: count }, open)) }
}

const ONE = '00000000-0000-4000-8000-000000000001'
const OTHER = '00000000-0000-4000-8000-000000000002'

function ask(different: Partial<ExchangeRequest> = {}): ExchangeRequest {
  return {
    key,
    holder: ONE,
    limit: 5,
    windowMs: 60_000,
    leaseMs: 60_000,
    held: 0,
    ended: 0,
    endedAgoMs: 0,
    wanted: 0,
    probe: 'none',
    ...different,
  }
}

t.test('permits are issued up to the limit across all processes, and not twice', async (t) => {
  const { permits } = await processes(t, 3)
  const answers = await Promise.all(
    permits.map((one) => one.exchange(ask({ holder: randomUUID(), wanted: 3 }))),
  )
  t.same(answers.map(({ granted }) => granted).sort(), [0, 2, 3])
  t.same(answers.map(({ remaining }) => remaining).sort(), [0, 0, 2])
})

t.test('the calls of all processes in the last minute are counted, with those under way', async (t) => {
  const { permits } = await processes(t, 2)
  const [one, other] = permits
  t.equal(await one?.recentCalls?.(key, 12_000), 0)
  await one?.exchange(ask({ wanted: 4 }))
  await one?.exchange(ask({ held: 1, ended: 2 }))
  await other?.exchange(ask({ holder: OTHER, wanted: 1 }))
  await other?.exchange(ask({ holder: OTHER, ended: 1, endedAgoMs: 30_000 }))
  t.equal(await other?.recentCalls?.(key, 12_000), 3, 'two that ended, one under way')
  t.equal(await other?.recentCalls?.(key, 60_000), 4)
  t.equal(await other?.recentCalls?.({ ...key, tier: 1 }, 60_000), 0)
})

t.test('other clients, tenants and tiers have their own budgets', async (t) => {
  const [one] = (await processes(t, 1)).permits
  await one?.exchange(ask({ wanted: 5 }))
  for (const different of [
    { tier: 1 },
    { client: 'other' },
    { origin: 'https://b', tenant: 'other' },
  ] as const) {
    t.match(await one?.exchange(ask({ key: { ...key, ...different }, wanted: 5 })), { granted: 5 })
  }
})

t.test(
  'a call counts until one window after its end; unused permits can be issued again at once',
  async (t) => {
    const { permits } = await processes(t, 2)
    const [one, other] = permits
    await one?.exchange(ask({ wanted: 5 }))
    await one?.exchange(ask({ ended: 3, endedAgoMs: 20_000 }))
    const answer = await other?.exchange(ask({ holder: OTHER, wanted: 5 }))
    t.equal(answer?.granted, 2)
    t.ok(
      answer && answer.waitMs > 39_000 && answer.waitMs < 40_200,
      `free 60 s after the end: ${answer?.waitMs}`,
    )
    t.match(await other?.exchange(ask({ holder: OTHER, held: 2, ended: 0, endedAgoMs: 0, wanted: 0 })), {
      remaining: 0,
    })
  },
)

t.test('what all processes leave is read without taking permits', async (t) => {
  const { url, permits } = await processes(t, 2)
  const [one, other] = permits
  const read = async (different = {}) =>
    (await other?.remaining([{ key, limit: 500, windowMs: 60_000, ...different }]))?.[0]
  t.equal(await read(), 500, 'an unknown budget')
  await one?.exchange(ask({ limit: 500, wanted: 5 }))
  t.equal(await read(), 495, 'permits that are held')
  await one?.exchange(ask({ limit: 500, held: 2, ended: 3 }))
  t.equal(await read(), 495, 'ended calls')
  t.equal(await read({ key: { ...key, tier: 1 } }), 500)
  t.equal(await read({ limit: 3 }), 0)
  await one?.exchange(ask({ limit: 500, ended: 2, endedAgoMs: 40_000 }))
  t.equal(await read({ windowMs: 30_000 }), 497, 'calls leave the window')
  await one?.block(key, 30_000)
  t.equal(await read(), 0, 'blocked')
  t.same(await server.query(url, 'SELECT * FROM curfew.permits'), [], 'nothing is taken')
})

t.test('calls that a migration imports are part of what is left', async (t) => {
  const { url, permits } = await processes(t, 1)
  const database = new PostgresDatabase(url, 1)
  t.teardown(() => database.close())
  const now = Date.now()
  const history = { permits: [{ at: now, count: 400 }], blockedUntil: null }
  const imported = { ...key, tenant: 'renamed' }
  await importBudget(database.query, imported, history, { windowMs: 300_000, timeoutMs: 1_000, now })
  t.same(await permits[0]?.remaining([{ key, limit: 500, windowMs: 300_000 }]), [100])
})

t.test('the permits of a dead process count for one window', async (t) => {
  const { permits } = await processes(t, 2)
  const [one, other] = permits
  await one?.exchange(ask({ wanted: 3, leaseMs: 1 }))
  const answer = await other?.exchange(ask({ holder: OTHER, wanted: 5 }))
  t.equal(answer?.granted, 2)
  t.ok(answer && answer.waitMs > 59_000, 'and no longer')
})

t.test('a block holds for all processes; a shorter one does not cut it short', async (t) => {
  const { permits } = await processes(t, 2)
  const [one, other] = permits
  await one?.block(key, 30_000)
  await one?.block(key, 10)
  const answer = await other?.exchange(ask({ holder: OTHER, wanted: 1 }))
  t.equal(answer?.granted, 0)
  t.ok(answer && answer.waitMs > 29_000)
})

t.test('after a block one process makes a probe, and the others follow when it has passed', async (t) => {
  const { url, permits } = await processes(t, 2)
  const [one, other] = permits
  if (!one || !other) throw new Error('expected two processes')
  await one.block(key, 60_000)
  const blocked = await other.exchange(ask({ holder: OTHER, wanted: 3 }))
  t.match(blocked, { granted: 0, isProbe: false, remaining: 0 })
  t.ok(Number(blocked.blockedMs) > 59_000 && Number(blocked.blockedMs) <= 60_000, `${blocked.blockedMs}`)
  const endBlock = () => server.query(url, `UPDATE curfew.budgets SET blocked_until = clock_timestamp()`)
  await endBlock()
  const probe = await other.exchange(ask({ holder: OTHER, wanted: 3 }))
  t.match(probe, { granted: 1, isProbe: true, blockedMs: 0, remaining: 0 })
  t.match(await one.exchange(ask({ wanted: 3 })), { granted: 0, isProbe: false, waitMs: 100, remaining: 0 })
  t.match(await one.exchange(ask({ wanted: 3, probe: 'passed' })), { granted: 0 }, 'it is not its to tell')
  const held = ask({ holder: OTHER, held: 1, probe: 'held', wanted: 2 })
  t.match(await other.exchange(held), { granted: 0, isProbe: false })

  const returned = ask({ holder: OTHER, ended: 1, probe: 'none' })
  await other.exchange(returned)
  t.match(await one.exchange(ask({ wanted: 3 })), { granted: 1, isProbe: true }, 'it proved nothing')
  await one.block(key, 60_000)
  await one.exchange(ask({ ended: 1, probe: 'passed' }))
  t.match(await other.exchange(ask({ holder: OTHER, wanted: 1 })), { granted: 0 }, 'refused meanwhile')
  await endBlock()
  t.match(await one.exchange(ask({ wanted: 1 })), { granted: 1, isProbe: true })
  const passed = await one.exchange(ask({ ended: 1, probe: 'passed', wanted: 1 }))
  t.match(passed, { granted: 1, isProbe: false, blockedMs: null })
  t.match(await other.exchange(ask({ holder: OTHER, wanted: 3 })), { granted: 1, blockedMs: null })
})

t.test('a probe passes to another process when its holder is dead', async (t) => {
  const { url, permits } = await processes(t, 2)
  const [one, other] = permits
  await one?.block(key, 60_000)
  await server.query(url, `UPDATE curfew.budgets SET blocked_until = clock_timestamp()`)
  t.match(await one?.exchange(ask({ wanted: 1, leaseMs: 1 })), { isProbe: true })
  t.match(await other?.exchange(ask({ holder: OTHER, wanted: 1 })), { granted: 1, isProbe: true })
})

t.test('all processes see which tiers are blocked, and how long', async (t) => {
  const { permits } = await processes(t, 2)
  const [one, other] = permits
  await one?.block(key, 60_000)
  await one?.block({ ...key, client: 'over' }, 0)
  const blocks = (await other?.blocks()) ?? []
  t.match(blocks, [{ origin: 'https://a', client: 'c', tier: 2 }])
  t.equal(blocks.length, 1)
  t.ok(blocks.every(({ ms }) => ms > 50_000 && ms <= 60_000))
})

t.test('a renamed tenant keeps its budget, and the next tenant of that name gets another one', async (t) => {
  const { permits } = await processes(t, 2)
  const [one, other] = permits
  await one?.exchange(ask({ wanted: 3 }))
  const renamed = { ...key, tenant: 'renamed' }
  t.match(await other?.exchange(ask({ key: renamed, holder: OTHER, wanted: 5 })), { granted: 2 })
  const next = { ...key, origin: 'https://b' }
  t.match(await one?.exchange(ask({ key: next, wanted: 5 })), { granted: 5 })
  t.match(await other?.exchange(ask({ key: { ...next, tenant: 'x' }, holder: OTHER, wanted: 5 })), {
    granted: 0,
  })
})

t.test('processes that use new budgets in any order do not conflict', async (t) => {
  const { permits } = await processes(t, 2)
  const keys = Array.from({ length: 40 }, (_, index) => ({
    ...key,
    origin: `https://${index}`,
    tenant: `t${index}`,
  }))
  const answers = await Promise.all(
    permits.flatMap((one, index) =>
      (index === 0 ? keys : keys.toReversed()).map((key) =>
        one.exchange(ask({ key, holder: randomUUID(), wanted: 3 })),
      ),
    ),
  )
  const granted = answers.map((answer) => answer.granted).sort()
  t.same(granted, [...Array(40).fill(2), ...Array(40).fill(3)])
})

t.test(
  'a call counts by the window of the requesting process, even after it left a shorter one',
  async (t) => {
    const [one] = (await processes(t, 1)).permits
    await one?.exchange(ask({ wanted: 4 }))
    await one?.exchange(ask({ ended: 4, endedAgoMs: 100_000 }))
    for (const [windowMs, limit, granted] of [
      [60_000, 5, 5],
      [300_000, 5, 1],
      [60_000, 2, 2],
      [300_000, 3, 0],
      [600_000, 6, 2],
    ] as const) {
      const answer = await one?.exchange(ask({ windowMs, limit, wanted: 6 }))
      t.equal(answer?.granted, granted, `${limit} in ${windowMs} ms`)
      await one?.exchange(ask())
    }
  },
)

t.test('calls older than five minutes are deleted', async (t) => {
  const { url, permits } = await processes(t, 1)
  await permits[0]?.exchange(ask({ wanted: 2 }))
  await permits[0]?.exchange(ask({ ended: 1, endedAgoMs: 290_000, held: 1 }))
  await permits[0]?.exchange(ask({ ended: 1, endedAgoMs: 301_000 }))
  t.same(await server.query(url, 'SELECT count FROM curfew.calls'), [{ count: 1 }])
})

t.test('an upgrade keeps the calls of the last window, blocks and held permits', async (t) => {
  const url = await server.createDatabase()
  await server.query(url, 'CREATE SCHEMA curfew')
  await server.query(url, 'CREATE TABLE curfew.schema_version (version integer NOT NULL)')
  const first = `${MIGRATIONS[0]}; INSERT INTO curfew.schema_version VALUES (1);
    INSERT INTO curfew.calls VALUES
      ('default', 'c', 2, now() + interval '200 s', 2), ('default', 'c', 2, now() + interval '500 s', 1),
      ('default', 'c', 2, now() - interval '1 s', 1);
    INSERT INTO curfew.permits VALUES ('default', 'c', 2, '${OTHER}', 1, now() + interval '60 s');
    INSERT INTO curfew.budgets VALUES ('default', 'c', 2, NULL), ('default', 'c', 1, now() + interval '60 s')`
  await server.query(url, first)
  const store = await openPostgresStore(url, { connections: 2, clock: systemClock, log: SILENT })
  t.teardown(() => store.close())
  const request = ask({ limit: 10, windowMs: 300_000, wanted: 10 })
  const answer = await store.permits.exchange(request)
  t.match(answer, { granted: 6 }, 'three calls and a permit')
  t.ok(answer.waitMs > 190_000 && answer.waitMs <= 200_000, `${answer.waitMs}`)
  t.match(await store.permits.exchange({ ...request, key: { ...key, tier: 1 } }), { granted: 0 })
})

/** Requests permits with the function of the previous version. */
function oldExchange(url: string, holder: string, { held = 0, ended = 0, wanted = 0 }) {
  return server.query(
    url,
    `SELECT * FROM curfew.exchange_permits('default', 'c', 2, $1, 5, 60000, 60000, $2, $3, 0, $4)`,
    [holder, held, ended, wanted],
  )
}

t.test('a process of the previous version shares the budget, its blocks and its probes', async (t) => {
  const { url, permits } = await processes(t, 1)
  const [one] = permits
  t.same(await oldExchange(url, OTHER, { wanted: 3 }), [{ granted: 3, wait_ms: 0, remaining: 2 }])
  t.match(await one?.exchange(ask({ wanted: 5 })), { granted: 2 })
  await oldExchange(url, OTHER, {})
  await one?.exchange(ask())
  await server.query(
    url,
    `INSERT INTO curfew.budgets AS known (tenant, client, tier, blocked_until) VALUES ('default', 'c', 2, now())
     ON CONFLICT (tenant, client, tier)
     DO UPDATE SET blocked_until = greatest(known.blocked_until, excluded.blocked_until)`,
  )
  t.match(await oldExchange(url, OTHER, { wanted: 3 }), [{ granted: 1 }])
  t.match(await one?.exchange(ask({ wanted: 1 })), { granted: 0 })
  t.match(await oldExchange(url, OTHER, { held: 1, wanted: 1 }), [{ granted: 0 }])
  t.match(await oldExchange(url, OTHER, { ended: 1, wanted: 2 }), [{ granted: 2 }])
  t.match(await one?.exchange(ask({ wanted: 5 })), { granted: 2, isProbe: false })
})

/** Makes `total` calls by three processes that share a budget; `onCall` receives their number so far. */
async function makeCalls(
  t: Test,
  limits: LedgerLimits,
  total: number,
  onCall = (_made: number, _change: Change) => {},
) {
  const { permits } = await processes(t, 3)
  const calls: { start: number; end: number }[] = []
  let drawn = 0
  const ledgers = permits.map((one) => {
    const onFailure = (error: unknown) => t.fail(String(error))
    return new SharedLedger({ ...limits, key, permits: one, clock: systemClock, onFailure })
  })
  const gates = ledgers.map((ledger) => new TierGate(ledger, 8, () => {}))
  const change: Change = (changed) => {
    for (const ledger of ledgers) ledger.change(changed)
    for (const gate of gates) gate.change(8)
  }
  const worker = async (gate: TierGate) => {
    while (drawn < total) {
      drawn += 1
      const permit = await gate.draw({ urgency: 1, signal: new AbortController().signal })
      const start = performance.now()
      await new Promise((resolve) => setImmediate(resolve))
      permit.end(true)
      calls.push({ start, end: performance.now() })
      onCall(calls.length, change)
    }
  }
  await Promise.all(gates.flatMap((gate) => Array.from({ length: 8 }, () => worker(gate))))
  await Promise.all(ledgers.map((ledger) => ledger.close()))
  t.equal(calls.length, total)
  return calls
}
type Change = (limits: LedgerLimits) => void

t.test('several processes use the full limit in any window, and never exceed it', async (t) => {
  const limit = 20
  const windowMs = 300
  const startedAt = performance.now()
  const calls = await makeCalls(t, { limit, windowMs, timeoutMs: 1_000 }, 70)
  // Independent of when calls arrive: each call counts against those that start within a window of its end.
  const worst = Math.max(
    ...calls.map(
      ({ end }) => calls.filter(({ start, end: last }) => last >= end && start < end + windowMs).length,
    ),
  )
  t.ok(worst <= limit, `${worst} of ${limit} in one window`)
  t.ok(performance.now() - startedAt >= 3 * windowMs, 'four windows’ worth')
})

t.test('they never exceed a limit that changes while they make calls', async (t) => {
  const limits = { limit: 20, windowMs: 200, timeoutMs: 1_000 }
  const lower = { ...limits, limit: 8, windowMs: 300 }
  let [loweredAt, raisedAt] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  const calls = await makeCalls(t, limits, 90, (made, change) => {
    if (made === 30) {
      loweredAt = performance.now()
      change(lower)
    } else if (made === 50) {
      raisedAt = performance.now()
      change(limits)
    }
  })
  for (const call of calls) {
    const { limit, windowMs } = call.start > loweredAt && call.start < raisedAt ? lower : limits
    const counted = calls.filter(({ start, end }) => start <= call.start && end > call.start - windowMs)
    if (counted.length > limit) t.fail(`${counted.length} of ${limit} in one window`)
  }
  t.ok(loweredAt < raisedAt && raisedAt < Number.POSITIVE_INFINITY)
})
