import { signalEvent } from '../../revocation/audit/events.ts'
import { uuidv7 } from '../../revocation/id.ts'
import { queueKey } from '../../revocation/keys.ts'
import type { Origin } from '../../revocation/origin.ts'
import { REPLAY_WINDOW_MS, type ReplayKey, requireSameRequest } from '../../revocation/replay.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import type { Signal } from '../../revocation/signal.ts'
import type { Accepted } from '../../revocation/store.ts'
import { join, newRevocation } from '../../revocation/transitions.ts'
import type { NoteEvents } from './audit-writing.ts'
import type { Query } from './database.ts'
import { postgresHistory } from './history.ts'
import type { PostgresJobs } from './jobs.ts'
import { postgresStatements } from './statements.ts'

/** A request to accept signals, all or none. */
export interface AcceptRequest {
  signals: readonly Signal[]
  replay: ReplayKey | null
  now: number
  origin: Origin | undefined
}

export type AcceptResult = { ok: true; accepted: Accepted } | { ok: false; error: unknown }

/**
 * Accepts requests in the caller's transaction. The number of statements grows only with the number of signals that
 * join a queued revocation. The replay keys of the requests must be distinct.
 */
export async function acceptTogether(
  query: Query,
  jobs: PostgresJobs,
  requests: readonly AcceptRequest[],
  note: NoteEvents,
): Promise<AcceptResult[]> {
  const history = postgresHistory(query)
  const repeated = await repetitions(history, requests)
  const fresh = requests.filter((request) => !repeated.has(request))
  const { queued, insertedIds } = await queueAll(
    query,
    jobs,
    fresh.flatMap(({ signals }) => signals),
  )
  noteSignals(fresh, queued, insertedIds, note)
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

/** Notes each signal. The first one of an inserted revocation has created it. */
function noteSignals(
  requests: readonly AcceptRequest[],
  queued: ReadonlyMap<string, Revocation>,
  insertedIds: Set<string>,
  note: NoteEvents,
): void {
  for (const { signals, now, origin } of requests) {
    const events = signals.flatMap((signal) => {
      const id = queued.get(queueKey(signal))?.id
      return id === undefined ? [] : [signalEvent(signal, { id, hasJoined: !insertedIds.delete(id) }, origin)]
    })
    note(events, now)
  }
}

/** The recorded answers to repeated requests. */
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
    const earlier = taken.has(replay.key)
      ? null
      : await history.replayOf(replay.key, first.now - REPLAY_WINDOW_MS)
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

/**
 * Joins each signal to the revocation queued for its user, or queues a new one with a job. Returns them by `queueKey`, and
 * the ids of the new ones.
 */
export async function queueAll(
  query: Query,
  jobs: PostgresJobs,
  signals: readonly Signal[],
): Promise<{ queued: Map<string, Revocation>; insertedIds: Set<string> }> {
  const queued = new Map<string, Revocation>()
  for (const signal of signals) {
    const earlier = queued.get(queueKey(signal))
    queued.set(
      queueKey(signal),
      earlier ? join(earlier, signal) : newRevocation(uuidv7(signal.acceptedAt), signal),
    )
  }
  const insertedIds = new Set<string>()
  const became = await queueOrJoin(query, jobs, [...queued.values()], (inserted) => {
    for (const { id } of inserted) insertedIds.add(id)
    return jobs.add(query, inserted)
  })
  for (const one of became.values()) queued.set(queueKey(one), one)
  return { queued, insertedIds }
}

/**
 * Inserts each revocation with its job, or joins it to the one queued for its user.
 * @param add creates the jobs of inserted revocations
 * @param wanted called before each insert, returns those that must still be queued; by default all
 * @returns the resulting revocation, by the id of the given one
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
      // Either the queued one was claimed since, so insert this one again; or a concurrent import inserted this one.
      if (!found || found.id === one.id) again.push(one)
      else became.set(one.id, await joinQueued(query, jobs, found, one))
    }
    left = await wanted(again)
  }
  return became
}

/** Joins a signal to a queued revocation. The caller has locked its row. */
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

/** The lock order of rows of several users. */
function byUser(one: Signal, other: Signal): number {
  const text = ({ tenant, user, deviceType }: Signal) =>
    [tenant, user.kind, user.value, deviceType ?? ''].join('\0')
  return text(one) < text(other) ? -1 : 1
}
