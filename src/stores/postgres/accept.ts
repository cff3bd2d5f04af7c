import { uuidv7 } from '../../revocation/id.ts'
import { queueKey } from '../../revocation/keys.ts'
import { REPLAY_WINDOW_MS, type ReplayKey, requireSameRequest } from '../../revocation/replay.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import type { Signal } from '../../revocation/signal.ts'
import type { Accepted } from '../../revocation/store.ts'
import { join, newRevocation } from '../../revocation/transitions.ts'
import type { Query } from './database.ts'
import { postgresHistory } from './history.ts'
import type { PostgresJobs } from './jobs.ts'
import { postgresStatements } from './statements.ts'

/** One request that is to be accepted: all of its signals, or none. */
export interface AcceptRequest {
  signals: readonly Signal[]
  replay: ReplayKey | null
  now: number
}

export type AcceptResult = { ok: true; accepted: Accepted } | { ok: false; error: unknown }

/**
 * Accepts requests in the caller's transaction, in a number of statements that grows only with the signals that join what
 * is queued. No two requests may have the same replay key.
 */
export async function acceptTogether(
  query: Query,
  jobs: PostgresJobs,
  requests: readonly AcceptRequest[],
): Promise<AcceptResult[]> {
  const history = postgresHistory(query)
  const repeated = await repetitions(history, requests)
  const fresh = requests.filter((request) => !repeated.has(request))
  const queued = await queueAll(
    query,
    jobs,
    fresh.flatMap(({ signals }) => signals),
  )
  const revocationsOf = ({ signals }: AcceptRequest) =>
    signals.map((signal) => queued.get(queueKey(signal))).filter((found) => found !== undefined)
  const answers = fresh.flatMap((request) =>
    request.replay ? [{ key: request.replay.key, revocations: revocationsOf(request) }] : [],
  )
  if (answers.length > 0) await history.noteAnswers(answers)
  return requests.map((request) => {
    const accepted = { revocations: revocationsOf(request), replayed: false }
    return repeated.get(request) ?? { ok: true, accepted }
  })
}

/** The answers to those that were sent before. */
async function repetitions(
  history: ReturnType<typeof postgresHistory>,
  requests: readonly AcceptRequest[],
): Promise<Map<AcceptRequest, AcceptResult>> {
  const answers = new Map<AcceptRequest, AcceptResult>()
  const keyed = requests.flatMap((request) =>
    request.replay ? [{ ...request, replay: request.replay, request }] : [],
  )
  const [first] = keyed
  if (!first) return answers
  const keys = keyed.map(({ replay }) => replay)
  const taken = await history.takeKeys(keys, first.now, first.now - REPLAY_WINDOW_MS)
  for (const { request, replay } of keyed) {
    const earlier = taken.has(replay.key) ? null : await history.replayOf(replay.key)
    if (!earlier) continue
    answers.set(request, repeated(earlier, replay))
  }
  return answers
}

function repeated(
  earlier: { fingerprint: string | null; revocations: Revocation[] },
  { fingerprint }: ReplayKey,
): AcceptResult {
  try {
    requireSameRequest(earlier.fingerprint, fingerprint)
    return { ok: true, accepted: { revocations: earlier.revocations, replayed: true } }
  } catch (error) {
    return { ok: false, error }
  }
}

/** Every signal joined to what is queued for its user, or newly queued with a job; by `queueKey`. */
export async function queueAll(
  query: Query,
  jobs: PostgresJobs,
  signals: readonly Signal[],
): Promise<Map<string, Revocation>> {
  const queued = new Map<string, Revocation>()
  for (const signal of signals) {
    const earlier = queued.get(queueKey(signal))
    queued.set(
      queueKey(signal),
      earlier ? join(earlier, signal) : newRevocation(uuidv7(signal.acceptedAt), signal),
    )
  }
  const became = await queueOrJoin(query, jobs, [...queued.values()], (inserted) => jobs.add(query, inserted))
  for (const one of became.values()) queued.set(queueKey(one), one)
  return queued
}

/**
 * Inserts each with its job, or joins it to what is queued for its user; answers what each has become, by its id.
 * @param add gives those that were inserted their jobs
 * @param wanted which of them are to be queued, asked before each insert; all when left out
 */
export async function queueOrJoin(
  query: Query,
  jobs: PostgresJobs,
  revocations: readonly Revocation[],
  add: (inserted: readonly Revocation[]) => Promise<void>,
  wanted = async (left: readonly Revocation[]) => left,
): Promise<Map<string, Revocation>> {
  const sql = postgresStatements(query)
  const became = new Map<string, Revocation>()
  let left = await wanted(revocations)
  while (left.length > 0) {
    const insertedIds = await sql.insert(left)
    const inserted = left.filter(({ id }) => insertedIds.has(id))
    await add(inserted)
    for (const one of inserted) became.set(one.id, one)
    const again: Revocation[] = []
    for (const one of left.filter(({ id }) => !insertedIds.has(id)).sort(byUser)) {
      const found = await sql.queuedOf(one)
      // It has been claimed in between, then this one is queued behind it; or it is this one, inserted meanwhile.
      if (!found || found.id === one.id) again.push(one)
      else became.set(one.id, await joinQueued(query, jobs, found, one))
    }
    left = await wanted(again)
  }
  return became
}

/** A signal joins what is queued for its user, whose row the caller has locked. */
async function joinQueued(
  query: Query,
  jobs: PostgresJobs,
  found: Revocation,
  signal: Signal,
): Promise<Revocation> {
  const joined = await postgresStatements(query).save(join(found, signal))
  if (joined.reason !== found.reason) await jobs.hasten(query, joined, false)
  return joined
}

/** The order in which rows of several users are locked. */
function byUser(one: Signal, other: Signal): number {
  const text = ({ tenant, user, deviceType }: Signal) =>
    [tenant, user.kind, user.value, deviceType ?? ''].join('\0')
  return text(one) < text(other) ? -1 : 1
}
