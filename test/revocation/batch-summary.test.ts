import t from 'tap'
import { newBatchId, requireRoom } from '../../src/revocation/batch.ts'
import { summarize } from '../../src/revocation/batch-summary.ts'
import type { BatchGroup } from '../../src/revocation/store/batch-store.ts'
import { T0 } from '../support/signals.ts'

const BATCH = { tenant: 'default', id: 'b1' }
const NONE = { revoked: 0, alreadyGone: 0, kept: 0, remaining: 0 }

const aGroup = (different: Partial<BatchGroup> = {}): BatchGroup => ({
  ...{ status: 'queued', outcome: null, isVerified: false, isConfirming: false, code: null },
  ...{ reason: 'logout', size: 1, count: 1, newestId: 'a' },
  ...{ nextAttemptAt: null, tokens: NONE },
  ...different,
})
const ENDED = { status: 'completed', reason: null, size: null } as const
const summaryOf = (groups: BatchGroup[], estimate: (id: string) => number | null = () => T0) =>
  summarize(BATCH, { createdAt: T0, groups, failed: [] }, ({ id }) => estimate(id))

t.test('a batch is done when all have ended and are confirmed', async (t) => {
  const cases: [boolean, BatchGroup[]][] = [
    [
      true,
      [aGroup(ENDED), aGroup({ ...ENDED, status: 'failed' }), aGroup({ ...ENDED, status: 'cancelled' })],
    ],
    [false, [aGroup(ENDED), aGroup({ ...ENDED, isConfirming: true })]],
    [false, [aGroup(ENDED), aGroup({ ...ENDED, status: 'held' })]],
    [false, [aGroup(ENDED), aGroup({ status: 'running' })]],
    [false, [aGroup()]],
  ]
  for (const [isDone, groups] of cases) t.equal(summaryOf(groups).isDone, isDone)
})

t.test('the estimate is that of the last one; null if one cannot proceed or none is left', async (t) => {
  const times: Record<string, number | null> = { a: T0 + 1, b: T0 + 3, c: T0 + 2, blocked: null }
  const estimateOf = (...ids: string[]) =>
    summaryOf(
      ids.map((newestId) => aGroup({ newestId })),
      (id) => times[id] ?? null,
    ).estimatedCompletionAt
  t.equal(estimateOf('a', 'b', 'c'), T0 + 3)
  t.equal(estimateOf('a', 'blocked', 'c'), null)
  t.equal(summaryOf([aGroup(ENDED), aGroup({ ...ENDED, status: 'held' })]).estimatedCompletionAt, null)
})

t.test('of many sizes, only the largest and the unknown one are estimated', async (t) => {
  const seen: string[] = []
  const sizes = [null, ...Array.from({ length: 1_000 }, (_, index) => index)]
  summaryOf(
    sizes.map((size) => aGroup({ size, newestId: String(size) })),
    (id) => {
      seen.push(id)
      return T0
    },
  )
  t.same(seen.slice(0, 3), ['null', '999', '998'])
  t.equal(seen.length, 200)
})

t.test('a batch has room for 100,000', async (t) => {
  t.doesNotThrow(() => requireRoom(99_000, 1_000))
  t.throws(() => requireRoom(99_001, 1_000), { code: 'CURFEW_BATCH_FULL' })
})

t.test('a repeated request gets the same id, and another request another one', async (t) => {
  const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
  const replays = [
    { key: 'k', fingerprint: 'f' },
    { key: 'k', fingerprint: 'g' },
    { key: 'l', fingerprint: 'f' },
  ]
  const ids = [...replays, null, null].map((replay) => newBatchId(replay, T0))
  t.equal(new Set(ids).size, 5)
  for (const id of ids) t.match(id, UUID)
  t.same(
    replays.map((replay) => newBatchId(replay, T0 + 1)),
    ids.slice(0, 3),
  )
})
