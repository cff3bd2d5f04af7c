import type { Revocation } from '../../revocation/revocation.ts'
import type { Signal } from '../../revocation/signal.ts'
import { COLUMNS, toRevocation, toRow } from '../rows.ts'
import type { Query } from './database.ts'

const NAMES = COLUMNS.join(', ')
const ASSIGNMENTS = COLUMNS.filter((name) => name !== 'id')
  .map((name) => `${name} = v.${name}`)
  .join(', ')
/** The same user, as far as joining goes. */
export const SAME_USER = (one: string, other: string) =>
  ['tenant', 'user_kind', 'user_value', 'device_key']
    .map((name) => `${one}.${name} = ${other}.${name}`)
    .join(' AND ')
/** Completed, and its confirming listing is due. */
export const UNCONFIRMED = (row: string) =>
  `${row}.status = 'completed' AND ${row}.verification_due_at IS NOT NULL`
/** Rows are locked in this order everywhere: running before queued, then by user. */
const BY_USER = 'tenant, user_kind, user_value, device_key'

/** As ids are written: a caller may ask for anything. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Notifies all processes that a revocation has ended or was confirmed; the payload is its `userKey`. */
export const ENDED_CHANNEL = 'curfew_ended'
/** Told when a queued revocation waits for a running one: it may be the more urgent. */
export const PARKED_CHANNEL = 'curfew_parked'

/** What a process has claimed: what it reports has an effect only while the claim is valid. */
export interface Claimed {
  id: string
  claim: string
}

/** Every SQL statement of the revocations, as functions; each runs where `query` does. */
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

    /** Of these, those that are queued; they stay as they are until the transaction ends. */
    queuedById: (ids: readonly string[]): Promise<Revocation[]> =>
      rows(
        `SELECT * FROM curfew.revocations WHERE id = ANY ($1) AND status = 'queued' ORDER BY ${BY_USER} FOR UPDATE`,
        [ids],
      ),

    /**
     * Writes all of some revocations. One that runs belongs to whom it belonged, or to `claim` from now on; what ends or
     * waits belongs to nobody, except for the sake of its confirming listing. One that is parked stays so until it is claimed:
     * it has no job until then.
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

    /** The Qlik users that names led to, for the listing by user; an id leads to itself. */
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

    /** Of these runs those whose claims are still valid; they stay as they are until the transaction ends. */
    findClaimed: (claims: readonly Claimed[]): Promise<Revocation[]> =>
      claimed(claims, `r.status = 'running'`, 'FOR UPDATE OF r'),

    /** The same, without those that another transaction is changing. */
    findClaimedUnlocked: (claims: readonly Claimed[]): Promise<Revocation[]> =>
      claimed(claims, `r.status = 'running'`, 'FOR UPDATE OF r SKIP LOCKED'),

    /** Of these confirmations those whose claims are still valid; they stay as they are until the transaction ends. */
    findUnconfirmed: (claims: readonly Claimed[]): Promise<Revocation[]> =>
      claimed(claims, UNCONFIRMED('r'), 'FOR UPDATE OF r'),

    async noteJoined(id: string, intoId: string): Promise<void> {
      await query('UPDATE curfew.joined_ids SET into_id = $2 WHERE into_id = $1', [id, intoId])
      await query('INSERT INTO curfew.joined_ids (id, into_id) VALUES ($1, $2)', [id, intoId])
    },

    /**
     * Of these, what is queued, or was lost by another process (`again`: its job was fetched once more). Those whose user has
     * a running one are left. They stay as they are until the transaction ends.
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

    /** Wakes those who wait for these users, by `userKey`. */
    async notifyEnded(userKeys: readonly string[]): Promise<void> {
      await query(`SELECT pg_notify('${ENDED_CHANNEL}', key) FROM unnest($1::text[]) AS key`, [userKeys])
    },

    /** Those that waited for the end of one of these need jobs now. A statement of its own, to see who has parked by now. */
    unpark: (ids: readonly string[]): Promise<Revocation[]> =>
      rows(
        `UPDATE curfew.revocations AS r SET parked = false FROM curfew.revocations AS ended
         WHERE ended.id = ANY ($1) AND r.status = 'queued' AND r.parked AND ${SAME_USER('r', 'ended')} RETURNING r.*`,
        [ids],
      ),

    /** The others of the same users whose confirming listings are due; they stay as they are until the transaction ends. */
    unconfirmedOf: (ids: readonly string[]): Promise<Revocation[]> =>
      rows(
        `SELECT other.* FROM curfew.revocations AS other
         WHERE ${UNCONFIRMED('other')} AND EXISTS (
           SELECT FROM curfew.revocations AS r
           WHERE r.id = ANY ($1) AND r.id <> other.id AND ${SAME_USER('other', 'r')})
         ORDER BY ${BY_USER} FOR UPDATE`,
        [ids],
      ),

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
