import { LONGEST_WAIT_MS } from '../../base/backoff.ts'
import type { BudgetHistory, BudgetKey } from '../../qlik/budget/permit-log.ts'
import { LONGEST_TIER_WAIT_MS } from '../../revocation/retry-policy.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import { queueAll, queueOrJoin } from '../postgres/accept.ts'
import type { Query } from '../postgres/database.ts'
import type { PostgresJobs } from '../postgres/jobs.ts'
import { postgresStatements } from '../postgres/statements.ts'
import { COLUMNS, toRow } from '../rows.ts'
import type { Page, Replay } from './sqlite-source.ts'

/** What became of the revocations of a page. */
export interface Moved {
  queued: number
  completed: number
  failed: number
  /** Into one that was queued already for the same user. */
  joined: number
  /** Skipped: an earlier run has moved them. */
  known: number
  /** Of those that were known: signals have joined them since, so these were queued anew. */
  widened: number
}

export const NOTHING_MOVED: Moved = { queued: 0, completed: 0, failed: 0, joined: 0, known: 0, widened: 0 }

const NAMES = COLUMNS.join(', ')

/**
 * Moves a page of what waits or ran, in the caller's transaction: each gets its row and its job, or joins what is queued
 * for its user; then its id, and every id that led to it, leads there. What ran is queued: its process has ended. No two
 * of a page may be for the same user and device type.
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
      // Each time: a run that was killed may have had its commit under way.
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

/** Moves a page of what has ended, in the caller's transaction. */
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
  const completed = inserted.filter(({ status }) => status === 'completed').length
  return {
    ...NOTHING_MOVED,
    completed,
    failed: inserted.length - completed,
    known: revocations.length - inserted.length,
  }
}

/** Moves answers to repeated requests; one that the database has given since `since` stays. */
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
 * Moves what was spent of a budget, in the caller's transaction. Only the start of a call is known: it counts until a
 * window after the latest time at which it can have ended.
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
  // Locks the budget, as whoever asks for permits does.
  await query(
    `INSERT INTO curfew.budgets AS known (tenant, client, tier, blocked_until)
     VALUES ($1, $2, $3, to_timestamp($4::float8 / 1000))
     ON CONFLICT (tenant, client, tier)
     DO UPDATE SET blocked_until = greatest(known.blocked_until, excluded.blocked_until)`,
    [budget, client, tier, until],
  )
  // Gathered as `curfew.exchange_budget` does, but half a ms beside its ends: what is there under the same time has
  // been moved before.
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

/** As SQLite's store finds it when it starts: nothing runs, and nothing waits longer than a backoff can last. */
function asQueued(revocation: Revocation, now: number): Revocation {
  const { status, nextAttemptAt } = revocation
  const isWaiting = status === 'queued' && nextAttemptAt !== null
  return {
    ...revocation,
    status: 'queued',
    nextAttemptAt: isWaiting ? Math.min(nextAttemptAt, now + LONGEST_WAIT_MS) : null,
  }
}

/** The ids of those that are there, or have joined another one. */
async function known(query: Query, revocations: readonly Revocation[]): Promise<Set<string>> {
  const found = await query(
    `SELECT id FROM curfew.revocations WHERE id = ANY ($1)
     UNION SELECT id FROM curfew.joined_ids WHERE id = ANY ($1)`,
    [revocations.map(({ id }) => id)],
  )
  return new Set(found.map(({ id }) => String(id)))
}

/** Ids lead where the one leads that they joined. The row stays until then: others may be deleting it. */
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
 * Of those that were moved before, the ones that reach further than all that is known of their user: Curfew went on with
 * the file in between, and signals have joined them there.
 */
async function uncoveredOf(query: Query, revocations: readonly Revocation[]): Promise<Revocation[]> {
  if (revocations.length === 0) return []
  const found = await query(
    `SELECT v.id FROM json_populate_recordset(NULL::curfew.revocations, $1) AS v
     WHERE NOT EXISTS (
       SELECT 1 FROM curfew.revocations AS r
       WHERE r.user_value = v.user_value AND r.user_kind = v.user_kind AND r.tenant = v.tenant
         AND r.device_key = coalesce(v.device_type, '') AND r.occurred_at >= v.occurred_at
         AND (r.scope = 'all' OR v.scope = r.scope))`,
    [JSON.stringify(revocations.map(toRow))],
  )
  const ids = new Set(found.map(({ id }) => String(id)))
  return revocations.filter(({ id }) => ids.has(id))
}
