import type { NoteEvents } from '../../revocation/audit/entry.ts'
import { signalEvent } from '../../revocation/audit/events.ts'
import { type Batch, memberTime } from '../../revocation/batch.ts'
import { uuidv7 } from '../../revocation/id.ts'
import { join } from '../../revocation/joined-signals.ts'
import { queueKey } from '../../revocation/keys.ts'
import { nameOf, type Origin } from '../../revocation/origin.ts'
import { REPLAY_WINDOW_MS, type ReplayKey, requireSameRequest } from '../../revocation/replay.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import type { Signal } from '../../revocation/signal.ts'
import type { Accepted } from '../../revocation/store.ts'
import { newRevocation } from '../../revocation/transitions.ts'
import type { PostgresAuditWriting } from './audit-writing.ts'
import { addMembers, withoutRoom } from './batch-members.ts'
import { Batches } from './batches.ts'
import type { PostgresBrake } from './brake.ts'
import type { Query } from './database.ts'
import { postgresHistory, storedAs } from './history.ts'
import { holdAll, holdKey } from './hold.ts'
import type { PostgresJobs } from './jobs.ts'
import { postgresStatements } from './statements.ts'

const ACCEPTED_AT_ONCE = 200
/** The largest request plus a batch of single signals. Larger transactions would hold their rows for seconds. */
const SIGNALS_AT_ONCE = 1_000 + ACCEPTED_AT_ONCE

/** A request to accept signals, all or none. */
export interface AcceptRequest {
  signals: readonly Signal[]
  replay: ReplayKey | null
  now: number
  origin: Origin | undefined
  batch?: Batch | undefined
}

export type AcceptResult = { ok: true; accepted: Accepted } | { ok: false; error: unknown }

/** Accepts requests in batches, one transaction for each. */
export function acceptBatches(audit: PostgresAuditWriting, jobs: PostgresJobs, brake: PostgresBrake) {
  return new Batches({
    run: async (requests: readonly AcceptRequest[]) => {
      const { results, named } = await audit.transaction(async (query, note) => {
        const results = await acceptTogether(query, jobs, brake, requests, note)
        return { results, named: await brake.save(query) }
      })
      brake.saved(named)
      return results
    },
    concurrency: 2,
    largest: ACCEPTED_AT_ONCE,
    fits: ({ replay, signals }, batch) =>
      batch.length === 0 ||
      (batch.every((other) => !replay || other.replay?.key !== replay.key) &&
        batch.reduce((sum, other) => sum + other.signals.length, signals.length) <= SIGNALS_AT_ONCE),
  })
}

/**
 * Accepts requests in the caller's transaction. The number of statements grows only with the number of signals that
 * join a queued revocation. The replay keys of the requests must be distinct.
 */
export async function acceptTogether(
  query: Query,
  jobs: PostgresJobs,
  brake: Pick<PostgresBrake, 'judge' | 'isUpgradeComplete'>,
  requests: readonly AcceptRequest[],
  note: NoteEvents,
): Promise<AcceptResult[]> {
  const history = postgresHistory(query)
  const toStored = storedAs(brake)
  const repeated = await repetitions(history, requests, toStored)
  const rejected = await withoutRoom(
    query,
    requests.filter((request) => !repeated.has(request)),
  )
  const fresh = requests.filter((request) => !repeated.has(request) && !rejected.has(request))
  const judged = fresh.map((request) => ({ request, ...judge(brake, request) }))
  const all = judged.flatMap(({ signals }) => signals)
  // The lock order of rows: held ones come first.
  const { held, insertedHeldIds } = await holdAll(
    query,
    all.flatMap(({ signal, sender }) => (sender ? [{ signal, sender }] : [])),
  )
  const { queued, insertedIds } = await queueAll(
    query,
    jobs,
    all.flatMap(({ signal, sender }) => (sender ? [] : [signal])),
  )
  const revocationOf = ({ signal, sender }: JudgedSignal) =>
    sender ? held.get(holdKey({ signal, sender })) : queued.get(queueKey(signal))
  noteSignals(judged, revocationOf, new Set([...insertedIds, ...insertedHeldIds]), note)
  const judgedOf = new Map(judged.map((one) => [one.request, one]))
  const revocationsOf = (request: AcceptRequest) =>
    (judgedOf.get(request)?.signals ?? []).map(revocationOf).filter((found) => found !== undefined)
  await addMembers(
    query,
    fresh.flatMap((request) =>
      request.batch
        ? [
            {
              batch: request.batch,
              revocations: revocationsOf(request),
              now: memberTime(request.signals, request.now),
            },
          ]
        : [],
    ),
  )
  const answers = fresh.flatMap((request) => {
    const { replay } = request
    if (!replay) return []
    return [{ key: toStored(replay), fingerprint: replay.fingerprint, revocations: revocationsOf(request) }]
  })
  if (answers.length > 0) await history.noteAnswers(answers)
  return requests.map((request) => {
    const braked = judgedOf.get(request)?.isBraked ? { isBraked: true } : {}
    const accepted = { revocations: revocationsOf(request), replayed: false, ...braked }
    return repeated.get(request) ?? rejected.get(request) ?? { ok: true, accepted }
  })
}

/** Notes each signal. The first one of an inserted revocation has created it. */
function noteSignals(
  requests: readonly { request: AcceptRequest; signals: readonly JudgedSignal[] }[],
  revocationOf: (judged: JudgedSignal) => Revocation | undefined,
  insertedIds: Set<string>,
  note: NoteEvents,
): void {
  for (const { request, signals } of requests) {
    const events = signals.flatMap((judged) => {
      const revocation = revocationOf(judged)
      if (!revocation) return []
      const hasJoined = !insertedIds.delete(revocation.id)
      const details = { revocation, hasJoined, isHeld: judged.sender !== null }
      return [signalEvent(judged.signal, details, request.origin)]
    })
    note(events, request.now)
  }
}

interface JudgedSignal {
  signal: Signal
  /** The sender whose revocation is held; null if it runs. */
  sender: Origin | null
}

/** Decides which signals of a request are held. */
function judge(
  brake: Pick<PostgresBrake, 'judge' | 'isUpgradeComplete'>,
  { signals, origin, now }: AcceptRequest,
): { signals: JudgedSignal[]; isBraked: boolean } {
  let isBraked = false
  const by = origin ? nameOf(origin) : null
  const judged = signals.map((given) => {
    const signal = { ...given, sender: by }
    if (!origin || brake.judge(origin, signal, now) === 'run') return { signal, sender: null }
    isBraked = true
    return { signal, sender: brake.isUpgradeComplete ? origin : null }
  })
  return { signals: judged, isBraked }
}

/** The recorded answers to repeated requests. */
async function repetitions(
  history: ReturnType<typeof postgresHistory>,
  requests: readonly AcceptRequest[],
  toStored: ReturnType<typeof storedAs>,
): Promise<Map<AcceptRequest, AcceptResult>> {
  const answers = new Map<AcceptRequest, AcceptResult>()
  const keyed = requests.flatMap((request) =>
    request.replay ? [{ ...request, replay: request.replay, request }] : [],
  )
  const [first] = keyed
  if (!first) return answers
  const keys = keyed.map(({ replay }) => replay)
  const since = first.now - REPLAY_WINDOW_MS
  const taken = await history.takeKeys(keys, first.now, since, toStored)
  for (const { request, replay } of keyed) {
    const earlier = taken.has(replay) ? null : await history.replayOf(replay, since)
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
