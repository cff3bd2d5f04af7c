import type { Batch } from './batch.ts'
import type { Estimate } from './estimate.ts'
import { type Failure, hasEnded, type Status, type TokenCounts } from './revocation.ts'
import type { OutcomeView } from './revocation-view.ts'
import type { BatchGroup, BatchReading } from './store/batch-store.ts'

/** Ids that are returned for each code of a failure. */
export const FAILED_IDS = 20
/** Limits the time of a summary. Users with fewer tokens than these are complete earlier. */
const ESTIMATED_GROUPS = 200

export interface BatchSummary extends Batch {
  createdAt: number
  total: number
  status: Record<Status, number>
  /** Of completed ones. */
  outcomes: Partial<Record<OutcomeView, number>>
  verified: number
  /** Completed, and their confirming listing is due. */
  confirming: number
  tokens: TokenCounts
  failures: { code: Failure['code']; count: number; ids: string[] }[]
  /** Whether all have ended and no confirming listing is due. */
  isDone: boolean
  /** When the last queued or running one is expected to be complete; null if there is none, or one cannot proceed. */
  estimatedCompletionAt: number | null
}

/** The state of a batch. Pure, except for the estimates. */
export function summarize(
  batch: Batch,
  { createdAt, groups, failed }: BatchReading,
  estimate: Estimate,
): BatchSummary {
  const sum = (of: (group: BatchGroup) => number) => groups.reduce((total, group) => total + of(group), 0)
  const countOf = (is: (group: BatchGroup) => boolean) => sum((group) => (is(group) ? group.count : 0))
  const inState = (one: Status) => countOf(({ status }) => status === one)
  const confirming = countOf(({ isConfirming }) => isConfirming)
  return {
    ...batch,
    createdAt,
    total: countOf(() => true),
    status: {
      queued: inState('queued'),
      running: inState('running'),
      held: inState('held'),
      completed: inState('completed'),
      failed: inState('failed'),
      cancelled: inState('cancelled'),
    },
    outcomes: outcomesOf(groups),
    verified: countOf(({ isVerified }) => isVerified),
    confirming,
    tokens: {
      revoked: sum(({ tokens }) => tokens.revoked),
      alreadyGone: sum(({ tokens }) => tokens.alreadyGone),
      kept: sum(({ tokens }) => tokens.kept),
      remaining: sum(({ tokens }) => tokens.remaining),
    },
    failures: failuresOf(groups, failed),
    isDone: groups.every(hasEnded) && confirming === 0,
    estimatedCompletionAt: latestCompletion(batch.tenant, groups, estimate),
  }
}

function outcomesOf(groups: readonly BatchGroup[]): BatchSummary['outcomes'] {
  const counts: BatchSummary['outcomes'] = {}
  for (const { status, outcome, count } of groups)
    if (status === 'completed' && outcome !== null) counts[outcome] = (counts[outcome] ?? 0) + count
  return counts
}

/** The most frequent first. */
function failuresOf(groups: readonly BatchGroup[], failed: BatchReading['failed']): BatchSummary['failures'] {
  const failures = [...Map.groupBy(groups, ({ code }) => code)].flatMap(([code, some]) => {
    if (code === null) return []
    const ids = failed.filter((one) => one.code === code).map(({ id }) => id)
    const count = some.reduce((total, group) => total + group.count, 0)
    return [{ code, count, ids: ids.slice(0, FAILED_IDS) }]
  })
  return failures.sort((one, other) => other.count - one.count)
}

/** Of each group, the newest one is the last. */
function latestCompletion(tenant: string, groups: readonly BatchGroup[], estimate: Estimate): number | null {
  const unended = groups.filter(({ status }) => status === 'queued' || status === 'running')
  const last = unended.sort((one, other) => sizeOf(other) - sizeOf(one)).slice(0, ESTIMATED_GROUPS)
  let latest: number | null = null
  for (const { newestId: id, status, reason, nextAttemptAt, tokens, size } of last) {
    if (reason === null) continue
    const at = estimate({ id, tenant, status, reason, nextAttemptAt, tokens, size })
    if (at === null) return null
    latest = Math.max(latest ?? at, at)
  }
  return latest
}

/** Uncounted users can have any number of tokens. */
function sizeOf({ size }: BatchGroup): number {
  return size ?? Number.POSITIVE_INFINITY
}
