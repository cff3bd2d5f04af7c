import { LONGEST_WAIT_MS } from '../../base/backoff.ts'
import type { BudgetHistory, BudgetKey, LearnedLimit } from '../../qlik/budget/permit-log.ts'
import { LONGEST_TIER_WAIT_MS } from '../../revocation/retry-policy.ts'
import type { Revocation, Status } from '../../revocation/revocation.ts'
import { queueAll, queueOrJoin } from '../postgres/accept.ts'
import type { Query } from '../postgres/database.ts'
import { holdOrJoin } from '../postgres/hold.ts'
import type { PostgresJobs } from '../postgres/jobs.ts'
import { postgresStatements } from '../postgres/statements.ts'
import { COLUMNS, toRow } from '../rows.ts'
import type { Page, Replay } from './sqlite-source.ts'

/** The number of revocations per result. */
export interface Moved {
  queued: number
  completed: number
  failed: number
  held: number
  cancelled: number
  /** Joined to a revocation that was already queued for the same user. */
  joined: number
  /** Skipped because an earlier run copied them. */
  known: number
  /** The known ones that signals have joined since. They were queued again. */
  widened: number
}

export const NOTHING_MOVED: Moved = {
  ...{ queued: 0, completed: 0, failed: 0, held: 0, cancelled: 0 },
  ...{ joined: 0, known: 0, widened: 0 },
}

const NAMES = COLUMNS.join(', ')

/**
 * Imports a page of queued and running revocations in the caller's transaction. Each gets a row and a job, or joins the
 * revocation that is queued for its user; then its id, and all ids that joined it, refer to that one. Running
 * revocations are queued, because their process has ended. A page must not contain two revocations for the same user
 * and device type.
 */
export async function importPending(
  query: Query,
  jobs: PostgresJobs,
  { revocations, joins }: Page,
  now: number,
): Promise<Moved> {
  const queued = revocations.map((one) => asQueued(one, now))
  const knownIds = new Set<string>()
  const became = await queueOrJoin(
    query,
    jobs,
    queued,
    (inserted) => jobs.addWaiting(query, inserted, now),
    async (left) => {
      // Checked before each insert: the commit of an earlier, killed run may still be in progress.
      for (const id of await known(query, left)) knownIds.add(id)
      return left.filter(({ id }) => !knownIds.has(id))
    },
  )
  const joined = [...became].flatMap(([id, { id: intoId }]) => (id === intoId ? [] : [{ id, intoId }]))
  await noteJoins(query, joined)
  await noteJoins(query, joins)
  const uncovered = await uncoveredOf(
    query,
    queued.filter(({ id }) => knownIds.has(id)),
  )
  await queueAll(query, jobs, uncovered)
  return {
    ...NOTHING_MOVED,
    queued: became.size - joined.length,
    joined: joined.length,
    known: knownIds.size,
    widened: uncovered.length,
  }
}

/**
 * Imports a page of held revocations in the caller's transaction. One joins the revocation that is held in the database
 * for the same sender, user and device type.
 */
export async function importHeld(query: Query, { revocations, joins }: Page): Promise<Moved> {
  const knownIds = await known(query, revocations)
  const unknown = revocations.filter(({ id }) => !knownIds.has(id))
  const became = await holdOrJoin(query, unknown)
  const joined = [...became].flatMap(([id, { id: intoId }]) => (id === intoId ? [] : [{ id, intoId }]))
  await noteJoins(query, [...joined, ...joins])
  return {
    ...NOTHING_MOVED,
    held: unknown.length - joined.length,
    joined: joined.length,
    known: knownIds.size,
  }
}

/** Imports a page of finished revocations in the caller's transaction. */
export async function importEnded(query: Query, { revocations, joins }: Page): Promise<Moved> {
  const inserted = await query(
    `INSERT INTO curfew.revocations (${NAMES})
     SELECT ${NAMES} FROM json_populate_recordset(NULL::curfew.revocations, $1) AS v
     WHERE NOT EXISTS (SELECT 1 FROM curfew.joined_ids AS joined WHERE joined.id = v.id)
     ON CONFLICT (id) DO NOTHING RETURNING id, status`,
    [JSON.stringify(revocations.map(toRow))],
  )
  const insertedIds = new Set(inserted.map(({ id }) => id))
  await postgresStatements(query).noteResolved(revocations.filter(({ id }) => insertedIds.has(id)))
  await noteJoins(query, joins)
  const countOf = (wanted: Status) => inserted.filter(({ status }) => status === wanted).length
  return {
    ...NOTHING_MOVED,
    completed: countOf('completed'),
    failed: countOf('failed'),
    cancelled: countOf('cancelled'),
    known: revocations.length - inserted.length,
  }
}

/** Imports recorded answers. Answers that the database recorded at or after `since` are kept. */
export async function importReplays(
  query: Query,
  replays: readonly Replay[],
  since: number,
): Promise<number> {
  const taken = await query(
    `INSERT INTO curfew.replays AS known (key, fingerprint, answer, at)
     SELECT key, fingerprint, answer, at
     FROM json_to_recordset($1) AS v (key text, fingerprint text, answer text, at bigint) ORDER BY key
     ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, answer = excluded.answer, at = excluded.at
       WHERE known.at < $2
     RETURNING 1`,
    [JSON.stringify(replays), since],
  )
  return taken.length
}

export interface BudgetWindow {
  windowMs: number
  timeoutMs: number
  now: number
}

/**
 * Imports the spent part of a budget in the caller's transaction. Only the start of each call is known, so a call
 * counts until one window after the latest time at which it can have ended.
 */
export async function importBudget(
  query: Query,
  { origin, tenant, client, tier }: BudgetKey,
  { permits, blockedUntil }: BudgetHistory,
  { windowMs, timeoutMs, now }: BudgetWindow,
): Promise<void> {
  const named = await query(
    `SELECT CASE WHEN $1 = '' THEN $3 ELSE curfew.budget_of($1, $2, $3) END AS budget`,
    [origin, client, tenant],
  )
  const budget = named[0]?.budget
  const until = blockedUntil === null ? null : Math.min(blockedUntil, now + LONGEST_TIER_WAIT_MS)
  // Locks the budget in the same way as a request for permits.
  await query(
    `INSERT INTO curfew.budgets AS known (tenant, client, tier, blocked_until)
     VALUES ($1, $2, $3, to_timestamp($4::float8 / 1000))
     ON CONFLICT (tenant, client, tier)
     DO UPDATE SET blocked_until = greatest(known.blocked_until, excluded.blocked_until)`,
    [budget, client, tier, until],
  )
  // Grouped like in `curfew.exchange_budget`, but offset by half a millisecond from its times: a row with the same time
  // therefore comes from an earlier import.
  const part = windowMs / 500
  const counts = new Map<number, number>()
  for (const { at, count } of permits) {
    const endedAt = Math.ceil((Math.min(at, now) + timeoutMs) / part) * part + 0.5
    counts.set(endedAt, (counts.get(endedAt) ?? 0) + count)
  }
  await query(
    `INSERT INTO curfew.calls AS known (tenant, client, tier, ended_at, count)
     SELECT $1, $2, $3, to_timestamp(ended_at / 1000), count
     FROM json_to_recordset($4) AS v (ended_at float8, count integer) ORDER BY ended_at
     ON CONFLICT (tenant, client, tier, ended_at) DO UPDATE SET count = greatest(known.count, excluded.count)`,
    [budget, client, tier, JSON.stringify([...counts].map(([ended_at, count]) => ({ ended_at, count })))],
  )
}

/** Imports limits that were learned from Qlik's refusals. The database may have learned a later one. */
export async function importLearnedLimits(query: Query, limits: readonly LearnedLimit[]): Promise<void> {
  await query(
    `INSERT INTO curfew.learned_limits AS known (origin, tier, per, calls, learned_at)
     SELECT origin, tier, per, calls, clock_timestamp() - "ageMs" * interval '1 millisecond'
     FROM json_to_recordset($1) AS v (origin text, tier integer, per text, calls integer, "ageMs" float8)
     ON CONFLICT (origin, tier, per) DO UPDATE SET calls = excluded.calls, learned_at = excluded.learned_at
       WHERE known.learned_at < excluded.learned_at`,
    [JSON.stringify(limits)],
  )
}

/** The state after a restart of the SQLite store: nothing runs, and nothing waits longer than the longest backoff. */
function asQueued(revocation: Revocation, now: number): Revocation {
  const { status, nextAttemptAt } = revocation
  const isWaiting = status === 'queued' && nextAttemptAt !== null
  return {
    ...revocation,
    status: 'queued',
    nextAttemptAt: isWaiting ? Math.min(nextAttemptAt, now + LONGEST_WAIT_MS) : null,
  }
}

/** The ids that already exist as a revocation or have joined one. */
async function known(query: Query, revocations: readonly Revocation[]): Promise<Set<string>> {
  const found = await query(
    `SELECT id FROM curfew.revocations WHERE id = ANY ($1)
     UNION SELECT id FROM curfew.joined_ids WHERE id = ANY ($1)`,
    [revocations.map(({ id }) => id)],
  )
  return new Set(found.map(({ id }) => String(id)))
}

/** Records joined ids. Each refers to the revocation of the id that it joined. Targets are locked against deletion. */
async function noteJoins(query: Query, joins: Page['joins']): Promise<void> {
  if (joins.length === 0) return
  await query(
    `INSERT INTO curfew.joined_ids (id, into_id)
     SELECT v.id, target.id FROM json_to_recordset($1) AS v (id uuid, "intoId" uuid)
     LEFT JOIN curfew.joined_ids AS known ON known.id = v."intoId"
     JOIN curfew.revocations AS target ON target.id = coalesce(known.into_id, v."intoId")
     WHERE NOT EXISTS (SELECT 1 FROM curfew.revocations AS own WHERE own.id = v.id)
     FOR KEY SHARE OF target
     ON CONFLICT (id) DO NOTHING`,
    [JSON.stringify(joins)],
  )
}

/**
 * The already imported revocations that no revocation of their user in the database covers. This happens if Curfew
 * continued to use the file after an import, and signals joined them there.
 */
async function uncoveredOf(query: Query, revocations: readonly Revocation[]): Promise<Revocation[]> {
  if (revocations.length === 0) return []
  const found = await query(
    `SELECT v.id FROM json_populate_recordset(NULL::curfew.revocations, $1) AS v
     WHERE NOT EXISTS (
       SELECT 1 FROM curfew.revocations AS r
       WHERE r.user_value = v.user_value AND r.user_kind = v.user_kind AND r.tenant = v.tenant
         AND r.device_key = coalesce(v.device_type, '') AND r.status NOT IN ('held', 'cancelled')
         AND r.occurred_at >= v.occurred_at
         AND (r.scope = 'all' OR v.scope = r.scope))`,
    [JSON.stringify(revocations.map(toRow))],
  )
  const ids = new Set(found.map(({ id }) => String(id)))
  return revocations.filter(({ id }) => ids.has(id))
}
