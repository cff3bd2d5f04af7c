import type { Failure, Revocation, TokenCounts } from '../../revocation/revocation.ts'
import type { Signal } from '../../revocation/signal.ts'
import type { Completion } from '../../revocation/store.ts'
import { COLUMNS, toRevocation, toRow } from '../rows.ts'
import type { Query } from './database.ts'

const NAMES = COLUMNS.join(', ')
/** The same user, as far as joining goes. */
const SAME_USER = (one: string, other: string) =>
  ['tenant', 'user_kind', 'user_value', 'device_key']
    .map((name) => `${one}.${name} = ${other}.${name}`)
    .join(' AND ')
/** Rows are locked in this order everywhere: running before queued, then by user. */
const BY_USER = 'tenant, user_kind, user_value, device_key'

/** As ids are written: a caller may ask for anything. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** How a running revocation ended, for one or the other reason. */
export type Ending = { id: string; claim: string; userKey: string } & (
  | ({ status: 'completed' } & Completion)
  | { status: 'failed'; error: Failure; tokens: TokenCounts; completedAt: number }
)

/** Told to all processes when a revocation has ended, with its `userKey`. */
export const ENDED_CHANNEL = 'curfew_ended'
/** Told when a queued revocation waits for a running one: it may be the more urgent. */
export const PARKED_CHANNEL = 'curfew_parked'

/** Every SQL statement of the revocations, as functions; each runs where `query` does. */
export function postgresStatements(query: Query) {
  const rows = async (text: string, values: unknown[]) => (await query(text, values)).map(toRevocation)
  const row = async (text: string, values: unknown[]) => (await rows(text, values))[0] ?? null

  return {
    /** Inserts those whose user has nothing queued, and answers their ids. In order, so that no two wait in a circle. */
    async insert(revocations: readonly Revocation[]): Promise<Set<string>> {
      const inserted = await query(
        `INSERT INTO curfew.revocations (${NAMES})
         SELECT ${NAMES} FROM json_populate_recordset(NULL::curfew.revocations, $1)
         ORDER BY tenant, user_kind, user_value, coalesce(device_type, '')
         ON CONFLICT (${BY_USER}) WHERE status = 'queued' DO NOTHING
         RETURNING id`,
        [JSON.stringify(revocations.map(toRow))],
      )
      return new Set(inserted.map(({ id }) => String(id)))
    },

    /** What is queued for a user; it stays as it is until the transaction ends. */
    queuedOf: ({ tenant, user, deviceType }: Signal): Promise<Revocation | null> =>
      row(
        `SELECT * FROM curfew.revocations
         WHERE status = 'queued' AND tenant = $1 AND user_kind = $2 AND user_value = $3 AND device_key = $4 FOR UPDATE`,
        [tenant, user.kind, user.value, deviceType ?? ''],
      ),

    /** Writes all of a revocation. What ends or waits belongs to nobody. */
    async save(revocation: Revocation): Promise<Revocation> {
      await query(
        `UPDATE curfew.revocations AS r SET (${NAMES}) =
           (SELECT ${NAMES} FROM json_populate_record(NULL::curfew.revocations, $1)), claim = NULL
         WHERE id = $2`,
        [JSON.stringify(toRow(revocation)), revocation.id],
      )
      return revocation
    },

    async remove(id: string): Promise<void> {
      await query('DELETE FROM curfew.revocations WHERE id = $1', [id])
    },

    /** By its id or that of one that joined it; with `lock` it stays as it is until the transaction ends. */
    async find(id: string, lock: '' | 'FOR UPDATE' = ''): Promise<Revocation | null> {
      // The type of the column takes no other text, and would refuse it with an error.
      if (!UUID.test(id)) return null
      return row(
        `SELECT * FROM curfew.revocations
         WHERE id = coalesce((SELECT into_id FROM curfew.joined_ids WHERE id = $1), $1) ${lock}`,
        [id],
      )
    },

    /** A running one, if the claim is still good. */
    findClaimed: (id: string, claim: string): Promise<Revocation | null> =>
      row(`SELECT * FROM curfew.revocations WHERE id = $1 AND claim = $2 AND status = 'running' FOR UPDATE`, [
        id,
        claim,
      ]),

    async noteJoined(id: string, intoId: string): Promise<void> {
      await query('UPDATE curfew.joined_ids SET into_id = $2 WHERE into_id = $1', [id, intoId])
      await query('INSERT INTO curfew.joined_ids (id, into_id) VALUES ($1, $2)', [id, intoId])
    },

    /**
     * Marks as running what is queued, or was lost by another process (`again`: its job was fetched once more). Those
     * whose user has a running one are left.
     */
    claim: (
      ids: readonly string[],
      again: readonly string[],
      claim: string,
      now: number,
    ): Promise<Revocation[]> =>
      rows(
        `WITH due AS (
           SELECT id FROM curfew.revocations AS r
           WHERE id = ANY ($1) AND (
             (status = 'running' AND id = ANY ($2))
             OR (status = 'queued' AND NOT EXISTS (
               SELECT 1 FROM curfew.revocations AS other WHERE other.status = 'running' AND ${SAME_USER('other', 'r')})))
           ORDER BY ${BY_USER} FOR UPDATE)
         UPDATE curfew.revocations AS r
         SET status = 'running', claim = $3, parked = false, attempts = attempts + 1,
           started_at = coalesce(started_at, $4), next_attempt_at = NULL
         FROM due WHERE r.id = due.id RETURNING r.*`,
        [ids, again, claim, now],
      ),

    /** The running one for whose end this queued one waits, which cannot end before the transaction does. */
    runningFor: (id: string): Promise<Revocation | null> =>
      row(
        `SELECT other.* FROM curfew.revocations AS other
         JOIN curfew.revocations AS r ON ${SAME_USER('other', 'r')}
         WHERE r.id = $1 AND r.status = 'queued' AND other.status = 'running' FOR UPDATE OF other`,
        [id],
      ),

    async park(id: string): Promise<void> {
      await query(`UPDATE curfew.revocations SET parked = true WHERE id = $1 AND status = 'queued'`, [id])
      await query('SELECT pg_notify($1, $2)', [PARKED_CHANNEL, ''])
    },

    /** Ends runs whose claim is still good, tells so to those who wait for it, and answers which ended. */
    async end(endings: readonly Ending[]): Promise<string[]> {
      const values = endings.map((ending) => ({
        id: ending.id,
        claim: ending.claim,
        user_key: ending.userKey,
        status: ending.status,
        outcome: ending.status === 'completed' ? ending.outcome : null,
        verified: ending.status === 'completed' && ending.verified ? 1 : 0,
        revoked: ending.tokens.revoked,
        already_gone: ending.tokens.alreadyGone,
        kept: ending.tokens.kept,
        remaining: ending.tokens.remaining,
        error_code: ending.status === 'failed' ? ending.error.code : null,
        error_detail: ending.status === 'failed' ? ending.error.detail : null,
        completed_at: ending.completedAt,
      }))
      const ended = await query(
        `UPDATE curfew.revocations AS r
         SET status = v.status, outcome = v.outcome, verified = v.verified, revoked = v.revoked,
           already_gone = v.already_gone, kept = v.kept, remaining = v.remaining, error_code = v.error_code,
           error_detail = v.error_detail, completed_at = v.completed_at, claim = NULL
         FROM json_to_recordset($1) AS v (id uuid, claim uuid, user_key text, status text, outcome text,
           verified smallint, revoked integer, already_gone integer, kept integer, remaining integer, error_code text,
           error_detail text, completed_at bigint)
         WHERE r.id = v.id AND r.claim = v.claim AND r.status = 'running'
         RETURNING r.id, pg_notify('${ENDED_CHANNEL}', v.user_key)`,
        [JSON.stringify(values)],
      )
      return ended.map(({ id }) => String(id))
    },

    /** Those that waited for the end of one of these need jobs now. A statement of its own, to see who has parked by now. */
    unpark: (ids: readonly string[]): Promise<Revocation[]> =>
      rows(
        `UPDATE curfew.revocations AS r SET parked = false FROM curfew.revocations AS ended
         WHERE ended.id = ANY ($1) AND r.status = 'queued' AND r.parked AND ${SAME_USER('r', 'ended')} RETURNING r.*`,
        [ids],
      ),

    async progress(
      id: string,
      claim: string,
      { revoked, alreadyGone, kept, remaining }: TokenCounts,
    ): Promise<void> {
      await query(
        `UPDATE curfew.revocations SET revoked = $3, already_gone = $4, kept = $5, remaining = $6
         WHERE id = $1 AND claim = $2 AND status = 'running'`,
        [id, claim, revoked, alreadyGone, kept, remaining],
      )
    },

    /** Of these runs, those that are not this process's any more. */
    async lost(claims: ReadonlyMap<string, string>): Promise<string[]> {
      const kept = await query(
        `SELECT id FROM curfew.revocations AS r JOIN unnest($1::uuid[], $2::uuid[]) AS own (id, claim) USING (id)
         WHERE r.claim = own.claim AND r.status = 'running'`,
        [[...claims.keys()], [...claims.values()]],
      )
      const keptIds = new Set(kept.map(({ id }) => id))
      return [...claims.keys()].filter((id) => !keptIds.has(id))
    },

    async overtaken(ids: readonly string[]): Promise<string[]> {
      const found = await query(
        `SELECT running.id FROM curfew.revocations AS running
         JOIN curfew.revocations AS waiting ON waiting.status = 'queued' AND ${SAME_USER('waiting', 'running')}
         WHERE running.id = ANY ($1) AND running.status = 'running' AND waiting.urgency < running.urgency`,
        [ids],
      )
      return found.map(({ id }) => String(id))
    },

    async nextDueAt(now: number): Promise<number | null> {
      const [found] = await query(
        `SELECT min(next_attempt_at) AS at FROM curfew.revocations WHERE status = 'queued' AND next_attempt_at > $1`,
        [now],
      )
      return typeof found?.at === 'number' ? found.at : null
    },
  }
}
