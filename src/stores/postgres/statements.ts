import type { Revocation } from '../../revocation/revocation.ts'
import type { Signal } from '../../revocation/signal.ts'
import { COLUMNS, toRevocation, toRow } from '../rows.ts'
import type { Query } from './database.ts'

const NAMES = COLUMNS.join(', ')
const ASSIGNMENTS = COLUMNS.filter((name) => name !== 'id')
  .map((name) => `${name} = v.${name}`)
  .join(', ')
/** Whether two rows are for the same user and device type, which is the condition for joining. */
export const SAME_USER = (one: string, other: string) =>
  ['tenant', 'user_kind', 'user_value', 'device_key']
    .map((name) => `${one}.${name} = ${other}.${name}`)
    .join(' AND ')
/** Completed, with a pending confirming listing. */
export const UNCONFIRMED = (row: string) =>
  `${row}.status = 'completed' AND ${row}.verification_due_at IS NOT NULL`
/** The lock order of rows, to prevent deadlocks: running before queued, held before queued, then by user. */
export const BY_USER = 'tenant, user_kind, user_value, device_key'

/** The format of ids. Callers may pass any text. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** PostgreSQL would report an error for text that is not a UUID. */
export const isUuid = (text: string) => UUID.test(text)

/** Notified when a revocation has ended or was confirmed; the payload is its `userKey`. */
export const ENDED_CHANNEL = 'curfew_ended'
/** Notified when a queued revocation is parked behind a running one, which may be less urgent. */
export const PARKED_CHANNEL = 'curfew_parked'
/** The payload is the id of a cancelled revocation. */
export const WITHDRAWN_CHANNEL = 'curfew_withdrawn'

/** A claim of a process. Its reports take effect only while the claim is valid. */
export interface Claimed {
  id: string
  claim: string
}

/** The SQL statements for revocations, run by `query`. Locked rows stay locked until the transaction ends. */
export function postgresStatements(query: Query) {
  const rows = async (text: string, values: unknown[]) => (await query(text, values)).map(toRevocation)
  const row = async (text: string, values: unknown[]) => (await rows(text, values))[0] ?? null
  const claimed = (claims: readonly Claimed[], condition: string, lock: string) =>
    rows(
      `SELECT r.* FROM curfew.revocations AS r JOIN unnest($1::uuid[], $2::uuid[]) AS own (id, claim) USING (id)
       WHERE r.claim = own.claim AND ${condition} ORDER BY ${BY_USER} ${lock}`,
      [claims.map(({ id }) => id), claims.map(({ claim }) => claim)],
    )

  return {
    /**
     * Inserts the revocations of users with nothing queued, and returns their ids. In lock order, to prevent deadlocks.
     */
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

    /** Locks and returns the queued revocation of a user. */
    queuedOf: ({ tenant, user, deviceType }: Signal): Promise<Revocation | null> =>
      row(
        `SELECT * FROM curfew.revocations
         WHERE status = 'queued' AND tenant = $1 AND user_kind = $2 AND user_value = $3 AND device_key = $4 FOR UPDATE`,
        [tenant, user.kind, user.value, deviceType ?? ''],
      ),

    /** Locks and returns those that are queued or held, the held ones first. */
    waitingById: (ids: readonly string[]): Promise<Revocation[]> =>
      rows(
        `SELECT * FROM curfew.revocations WHERE id = ANY ($1) AND status IN ('queued', 'held')
         ORDER BY status, ${BY_USER} FOR UPDATE`,
        [ids],
      ),

    /**
     * Writes all columns of revocations. Running ones get `claim`, or keep their claim if it is null. All others lose
     * their claim; that of a confirming listing is set separately. A parked one, which has no job, stays parked while
     * it is queued.
     */
    async saveAll(revocations: readonly Revocation[], claim: string | null = null): Promise<void> {
      if (revocations.length === 0) return
      await query(
        `UPDATE curfew.revocations AS r SET ${ASSIGNMENTS}, parked = r.parked AND v.status = 'queued',
           claim = CASE WHEN v.status = 'running' THEN coalesce($2::uuid, r.claim) ELSE $2 END
         FROM json_populate_recordset(NULL::curfew.revocations, $1) AS v WHERE r.id = v.id`,
        [JSON.stringify(revocations.map(toRow)), claim],
      )
      await this.noteResolved(revocations)
    },

    async save(revocation: Revocation): Promise<Revocation> {
      await this.saveAll([revocation])
      return revocation
    },

    /** Records the Qlik users that names resolved to, for the listing by user. A user id needs no record. */
    async noteResolved(revocations: readonly Revocation[]): Promise<void> {
      const pairs = revocations.flatMap(({ id, user, resolved }) =>
        user.kind === 'userId' ? [] : resolved.map((userId) => ({ id, user_id: userId })),
      )
      if (pairs.length === 0) return
      await query(
        `INSERT INTO curfew.resolved_users (user_id, revocation_id)
         SELECT user_id, id FROM json_to_recordset($1) AS v (id uuid, user_id text) ORDER BY 1, 2 ON CONFLICT DO NOTHING`,
        [JSON.stringify(pairs)],
      )
    },

    async remove(id: string): Promise<void> {
      await query('DELETE FROM curfew.revocations WHERE id = $1', [id])
    },

    /** Finds a revocation by its id or the id of one that joined it, and locks it if `lock` is set. */
    async find(id: string, lock: '' | 'FOR UPDATE' = ''): Promise<Revocation | null> {
      if (!isUuid(id)) return null
      return row(
        `SELECT * FROM curfew.revocations
         WHERE id = coalesce((SELECT into_id FROM curfew.joined_ids WHERE id = $1), $1) ${lock}`,
        [id],
      )
    },

    /** Locks and returns the runs with valid claims. */
    findClaimed: (claims: readonly Claimed[]): Promise<Revocation[]> =>
      claimed(claims, `r.status = 'running'`, 'FOR UPDATE OF r'),

    /** Like `findClaimed`, but skips rows that another transaction has locked. */
    findClaimedUnlocked: (claims: readonly Claimed[]): Promise<Revocation[]> =>
      claimed(claims, `r.status = 'running'`, 'FOR UPDATE OF r SKIP LOCKED'),

    /** Locks and returns the unconfirmed revocations with valid claims. */
    findUnconfirmed: (claims: readonly Claimed[]): Promise<Revocation[]> =>
      claimed(claims, UNCONFIRMED('r'), 'FOR UPDATE OF r'),

    async noteJoined(id: string, intoId: string): Promise<void> {
      await query('UPDATE curfew.joined_ids SET into_id = $2 WHERE into_id = $1', [id, intoId])
      await query('INSERT INTO curfew.joined_ids (id, into_id) VALUES ($1, $2)', [id, intoId])
    },

    /**
     * Locks and returns those that are queued, unless their user has a running revocation, and those that another
     * process lost.
     * @param again the ids whose jobs were fetched again after a loss
     */
    claimable: (ids: readonly string[], again: readonly string[]): Promise<Revocation[]> =>
      rows(
        `SELECT * FROM curfew.revocations AS r
         WHERE id = ANY ($1) AND (
           (status = 'running' AND id = ANY ($2))
           OR (status = 'queued' AND NOT EXISTS (
             SELECT 1 FROM curfew.revocations AS other WHERE other.status = 'running' AND ${SAME_USER('other', 'r')})))
         ORDER BY ${BY_USER} FOR UPDATE`,
        [ids, again],
      ),

    /**
     * Locks and returns the running revocation that a queued one waits for. It cannot end before the transaction does.
     */
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

    /** Notifies the process that runs a cancelled revocation. */
    async notifyWithdrawn(id: string): Promise<void> {
      await query('SELECT pg_notify($1, $2)', [WITHDRAWN_CHANNEL, id])
    },

    /** Notifies processes that wait for these users. */
    async notifyEnded(userKeys: readonly string[]): Promise<void> {
      await query(`SELECT pg_notify('${ENDED_CHANNEL}', key) FROM unnest($1::text[]) AS key`, [userKeys])
    },

    /**
     * Unparks and returns the revocations behind ended ones; they need jobs. A separate statement, so that it sees rows
     * that were parked since the transaction began.
     */
    unpark: (ids: readonly string[]): Promise<Revocation[]> =>
      rows(
        `UPDATE curfew.revocations AS r SET parked = false FROM curfew.revocations AS ended
         WHERE ended.id = ANY ($1) AND r.status = 'queued' AND r.parked AND ${SAME_USER('r', 'ended')} RETURNING r.*`,
        [ids],
      ),

    /** Locks and returns the other unconfirmed revocations of the same users. */
    unconfirmedOf: (ids: readonly string[]): Promise<Revocation[]> =>
      rows(
        `SELECT other.* FROM curfew.revocations AS other
         WHERE ${UNCONFIRMED('other')} AND EXISTS (
           SELECT FROM curfew.revocations AS r
           WHERE r.id = ANY ($1) AND r.id <> other.id AND ${SAME_USER('other', 'r')})
         ORDER BY ${BY_USER} FOR UPDATE`,
        [ids],
      ),

    /** The runs that this process has lost. */
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
         WHERE running.id = ANY ($1) AND running.status = 'running' AND (
           SELECT waiting.urgency FROM curfew.revocations AS waiting
           WHERE waiting.status = 'queued' AND ${SAME_USER('waiting', 'running')} LIMIT 1) < running.urgency`,
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
