import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { systemClock } from '../../../src/clock.ts'
import type { ExchangeRequest } from '../../../src/qlik/permit-log.ts'
import { SharedLedger } from '../../../src/qlik/shared-ledger.ts'
import { TierGate } from '../../../src/qlik/tier-gate.ts'
import { openPostgresStore } from '../../../src/stores/postgres.ts'
import { SILENT } from '../../conformance/stores.ts'
import { startPostgres } from '../../support/postgres.ts'

const server = await startPostgres(t)
const key = { tenant: 'default', client: 'c', tier: 2 } as const

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
    ...different,
  }
}

t.test('permits are issued up to the limit, whoever asks, and not twice', async (t) => {
  const { permits } = await processes(t, 3)
  const answers = await Promise.all(
    permits.map((one) => one.exchange(ask({ holder: randomUUID(), wanted: 3 }))),
  )
  t.same(answers.map(({ granted }) => granted).sort(), [0, 2, 3])
  t.same(answers.map(({ remaining }) => remaining).sort(), [0, 0, 2])
})

t.test('other clients, tenants and tiers have budgets of their own', async (t) => {
  const [one] = (await processes(t, 1)).permits
  await one?.exchange(ask({ wanted: 5 }))
  for (const different of [{ tier: 1 }, { client: 'other' }, { tenant: 'other' }] as const) {
    t.match(await one?.exchange(ask({ key: { ...key, ...different }, wanted: 5 })), { granted: 5 })
  }
})

t.test('a call counts until a window after its end; what was not used can be issued at once', async (t) => {
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
})

t.test('a process that is not heard of costs what it held, for a window', async (t) => {
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

t.test('several processes never start more calls than the limit in any window, and use it up', async (t) => {
  const limit = 20
  const windowMs = 300
  const { permits } = await processes(t, 3)
  const calls: { start: number; end: number }[] = []
  const total = 70
  let drawn = 0
  const ledgers = permits.map(
    (one) =>
      new SharedLedger({
        key,
        limit,
        windowMs,
        timeoutMs: 1_000,
        permits: one,
        clock: systemClock,
        onFailure: (error) => t.fail(String(error)),
      }),
  )
  const startedAt = performance.now()
  await Promise.all(
    ledgers.map(async (ledger) => {
      const gate = new TierGate(ledger, 8)
      const workers = Array.from({ length: 8 }, async () => {
        while (drawn < total) {
          drawn += 1
          const permit = await gate.draw({ urgency: 1, signal: new AbortController().signal })
          const start = performance.now()
          await new Promise((resolve) => setImmediate(resolve))
          permit.end()
          calls.push({ start, end: performance.now() })
        }
      })
      await Promise.all(workers)
    }),
  )
  await Promise.all(ledgers.map((ledger) => ledger.close()))
  t.equal(calls.length, total)
  // Wherever in between the calls arrive: what began within a window of another one's end counts against it.
  const worst = Math.max(
    ...calls.map(
      ({ end }) => calls.filter(({ start, end: last }) => last >= end && start < end + windowMs).length,
    ),
  )
  t.ok(worst <= limit, `${worst} of ${limit} in one window`)
  t.ok(performance.now() - startedAt >= 3 * windowMs, 'four windows’ worth')
})
