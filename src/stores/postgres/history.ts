import { keyDigest, type ReplayKey, replayTime } from '../../revocation/replay.ts'
import { type Revocation, Status } from '../../revocation/revocation.ts'
import { type BacklogCount, type MatchCount, type RevocationQuery, UNENDED } from '../../revocation/store.ts'
import { toRevocation, toRow } from '../rows.ts'
import { countOf, pageOf, type SearchDialect, type Statement, searchParts } from '../search.ts'
import type { VerifiedDialect } from '../verified.ts'
import { POSTGRES_AUDIT } from './audit-reading.ts'
import type { Query } from './database.ts'
import { VERIFIED_AT } from './steps/statistics.ts'

const PURGED_AT_ONCE = 500

/**
 * The ids of a window come from its index. If it selected all columns at once, the planner would often read the table in the
 * order of ids instead, up to the whole table: it expects that to be cheaper than the rows of an index. The offset keeps it
 * from choosing a join.
 */
export const POSTGRES_SEARCH: SearchDialect = {
  ...POSTGRES_AUDIT,
  indexesOnlyEnded: false,
  flag: (value) => value,
  window: (select) => `(SELECT ids.id AS place, found.* FROM (${select('id')}) AS ids CROSS JOIN LATERAL
    (SELECT * FROM curfew.revocations AS r WHERE r.id = ids.id OFFSET 0) AS found)`,
  // Of the outer side of the join, so that it ends with the last row that is wanted.
  windowOrder: 'place',
}

export const POSTGRES_FAILURES = { ...POSTGRES_AUDIT, failures: 'curfew.revocations' }

export const POSTGRES_VERIFIED: VerifiedDialect = {
  ...POSTGRES_AUDIT,
  revocations: 'curfew.revocations',
  verifiedAt: VERIFIED_AT,
  beganAt: `coalesce((hold::jsonb #>> '{decision,at}')::bigint, accepted_at)`,
  integer: (expression) => `floor(${expression})::bigint`,
  larger: (one, other) => `greatest(${one}, ${other})`,
}

/** How a replay key is stored. */
type StoredAs = (key: ReplayKey) => string

/** Replicas of earlier versions find only the key itself, not its digest. */
export function storedAs({ isUpgradeComplete }: { isUpgradeComplete: boolean }): StoredAs {
  return isUpgradeComplete ? keyDigest : ({ key }) => key
}

/** The SQL statements for repeated requests, the listing, counts, and deleting old rows. */
export function postgresHistory(query: Query) {
  const run = ({ text, values }: Statement) => query(text, values)
  return {
    /**
     * Reserves the keys that are unknown or older than `since`, and returns them. Waits for other transactions that
     * have reserved one of the keys.
     * @param toStored see `storedAs`
     */
    async takeKeys(
      keys: readonly ReplayKey[],
      now: number,
      since: number,
      toStored: StoredAs,
    ): Promise<Set<ReplayKey>> {
      const byStored = new Map(keys.map((key) => [toStored(key), key]))
      const rows = [...byStored].map(([stored, key]) => {
        const other = stored === key.key ? keyDigest(key) : key.key
        return { key: stored, other, fingerprint: key.fingerprint, at: replayTime(key, now) }
      })
      const taken = await query(
        `INSERT INTO curfew.replays AS known (key, fingerprint, at)
         SELECT key, fingerprint, at
         FROM json_to_recordset($1) AS v (key text, other text, fingerprint text, at bigint)
         WHERE NOT EXISTS (SELECT FROM curfew.replays AS r WHERE r.key = v.other AND r.at >= $2) ORDER BY key
         ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, at = excluded.at, answer = NULL
           WHERE known.at < $2
         RETURNING key`,
        [JSON.stringify(rows), since],
      )
      return new Set(taken.flatMap(({ key }) => byStored.get(String(key)) ?? []))
    },

    async replayOf(
      key: ReplayKey,
      since: number,
    ): Promise<{ fingerprint: string | null; revocations: Revocation[] } | null> {
      const [found] = await query(
        'SELECT fingerprint, answer FROM curfew.replays WHERE key = ANY ($1) AND at >= $2 AND answer IS NOT NULL',
        [[keyDigest(key), key.key], since],
      )
      if (typeof found?.answer !== 'string') return null
      const fingerprint = found.fingerprint === null ? null : String(found.fingerprint)
      return { fingerprint, revocations: JSON.parse(found.answer).map(toRevocation) }
    },

    /** With the fingerprint, because a rejected request may have reserved the key. */
    async noteAnswers(
      answers: readonly { key: string; fingerprint: string | null; revocations: Revocation[] }[],
    ): Promise<void> {
      const values = answers.map(({ key, fingerprint, revocations }) => ({
        key,
        fingerprint,
        answer: JSON.stringify(revocations.map(toRow)),
      }))
      await query(
        `UPDATE curfew.replays AS known SET answer = v.answer, fingerprint = v.fingerprint
         FROM json_to_recordset($1) AS v (key text, fingerprint text, answer text) WHERE known.key = v.key`,
        [JSON.stringify(values)],
      )
    },

    async list(wanted: RevocationQuery): Promise<{ items: Revocation[]; nextCursor: string | null }> {
      const parts = searchParts(wanted, POSTGRES_SEARCH).map(async (part) => {
        const [end] = part.boundary ? await run(part.boundary) : []
        const boundary = end ? String(end.id) : null
        return { found: (await run(part.found(boundary))).map(toRevocation), boundary }
      })
      return pageOf(await Promise.all(parts), wanted.limit)
    },

    async count(wanted: RevocationQuery): Promise<MatchCount> {
      const parts = searchParts(wanted, POSTGRES_SEARCH).map(async ({ count, end }) => {
        const [[counted], [more]] = await Promise.all([run(count), run(end)])
        return { count: counted, end: more }
      })
      return countOf(await Promise.all(parts))
    },

    /**
     * Deletes a limited number of old rows. Returns 0 if none are left, except those that another process is deleting.
     */
    async purgeSome(endedBefore: number, replaysBefore: number): Promise<number> {
      const some = (column: string, table: string, condition: string) =>
        `DELETE FROM curfew.${table} WHERE ${column} IN
           (SELECT ${column} FROM curfew.${table} WHERE ${condition} LIMIT ${PURGED_AT_ONCE} FOR UPDATE SKIP LOCKED)
         RETURNING 1`
      const ended = await query(some('id', 'revocations', 'completed_at < $1'), [endedBefore])
      const replays = await query(some('key', 'replays', 'at < $1'), [replaysBefore])
      return ended.length + replays.length
    },

    async backlog(statuses = UNENDED): Promise<BacklogCount[]> {
      // Counted by the server: the replicas would wait for each other's locks on maintained counts. One query per status,
      // because each status has a partial index, which begins with the tenant.
      const of = (status: string) =>
        `SELECT tenant, '${status}' AS status, count(*) AS count FROM curfew.revocations
         WHERE status = '${status}' GROUP BY tenant`
      const counts = await query(statuses.map(of).join(' UNION ALL '))
      return counts.map(({ tenant, status, count }) => ({
        tenant: String(tenant),
        status: Status.parse(status),
        count: Number(count),
      }))
    },
  }
}
