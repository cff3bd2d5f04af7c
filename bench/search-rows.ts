import { DatabaseSync } from 'node:sqlite'
import { systemClock } from '../src/base/clock.ts'
import { uuidv7 } from '../src/revocation/id.ts'
import type { Proof } from '../src/revocation/proof.ts'
import type { Revocation } from '../src/revocation/revocation.ts'
import { newRevocation } from '../src/revocation/transitions.ts'
import { openPostgresStore } from '../src/stores/postgres/store.ts'
import { COLUMNS, toRow, toValues } from '../src/stores/rows.ts'
import { openSqliteStore } from '../src/stores/sqlite/store.ts'
import { aSignal } from '../test/support/signals.ts'
import type { Postgres } from './postgres.ts'

const ROWS_AT_ONCE = 5_000
const DAY_MS = 86_400_000
/** The default of `RETENTION_DAYS`. */
const DAYS = 30
const USERS = 200_000
const PROOF: Proof = {
  ...{ at: 0, pages: 1, listings: 1, client: 'bench', scope: 'admin_classic', role: 'tenant-admin' },
  userExists: true,
}
const SILENT = { info: () => {}, warn: () => {}, error: () => {} }

/** Revocations of the last 29 days, or of `spanMs`, oldest first: 1 in 100 has failed, 1 in 100 waits. */
export function* revocations(count: number, spanMs = (DAYS - 1) * DAY_MS): Generator<Revocation[]> {
  const now = Date.now()
  const start = now - spanMs
  for (let first = 0; first < count; first += ROWS_AT_ONCE)
    yield Array.from({ length: Math.min(ROWS_AT_ONCE, count - first) }, (_, index) =>
      revocation(first + index, Math.floor(start + ((first + index) / count) * spanMs), now),
    )
}

function revocation(index: number, at: number, now: number): Revocation {
  const part = (of: number) => index % of === 0
  const isWaiting = part(100)
  const user = isWaiting
    ? ({ kind: 'subject', value: `s${index}` } as const)
    : ({ kind: 'email', value: `user${(index * 7919) % USERS}@example.com` } as const)
  const source = part(1_000) ? 'rare' : index % 5 < 2 ? 'okta' : 'logout-hook'
  const base: Revocation = {
    ...newRevocation(
      uuidv7(at),
      aSignal({
        ...{ user, source, occurredAt: at, acceptedAt: at },
        tenant: index % 10_007 === 1 ? 'tiny' : index % 4 === 1 ? 'acme' : 'default',
        reason: index % 101 === 1 ? 'security' : index % 20 === 1 ? 'session-expired' : 'logout',
      }),
    ),
    sender: source === 'logout-hook' ? `api-key ${index % 3 === 0 ? 'portal' : 'crm'}` : `source ${source}`,
    attempts: 1,
    startedAt: at,
  }
  const dueAt = now + DAY_MS
  if (isWaiting) return { ...base, dueAt, nextAttemptAt: dueAt, backoffMs: DAY_MS, error: failure(index) }
  const ended = { ...base, completedAt: at + 500, verificationDueAt: null, resolved: [`u${index % USERS}`] }
  if (index % 100 === 1) return { ...ended, status: 'failed', error: failure(index) }
  const outcome = index % 25 === 2 ? 'no-such-user' : index % 3 === 0 ? 'nothing-to-revoke' : 'revoked'
  return { ...ended, status: 'completed', outcome, verified: true, proof: { ...PROOF, at: at + 6_000 } }
}

const failure = (index: number) =>
  ({
    code: index % 10 === 1 ? 'CURFEW_AMBIGUOUS_USER' : 'CURFEW_QLIK_UNAVAILABLE',
    detail: 'Several users have this e-mail address.',
  }) as const

/** Fills a new SQLite file. */
export async function fillSqlite(path: string, count: number, spanMs?: number): Promise<void> {
  await openSqliteStore(path).close()
  const database = new DatabaseSync(path)
  database.exec('PRAGMA synchronous = OFF')
  const insert = database.prepare(
    `INSERT INTO revocations (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})`,
  )
  const resolve = database.prepare('INSERT INTO resolved_users (user_id, revocation_id) VALUES (?, ?)')
  for (const some of revocations(count, spanMs)) {
    database.exec('BEGIN')
    for (const one of some) {
      insert.run(...toValues(one))
      for (const userId of one.resolved) resolve.run(userId, one.id)
    }
    database.exec('COMMIT')
  }
  database.close()
}

/** Fills an empty database. */
export async function fillPostgres({ url, query }: Postgres, count: number, spanMs?: number): Promise<void> {
  await (await openPostgresStore(url, { connections: 2, clock: systemClock, log: SILENT })).close()
  const names = COLUMNS.join(', ')
  for (const some of revocations(count, spanMs)) {
    await query(
      `INSERT INTO curfew.revocations (${names}) SELECT ${names} FROM json_populate_recordset(NULL::curfew.revocations, $1)`,
      [JSON.stringify(some.map(toRow))],
    )
    const resolved = some.flatMap(({ id, resolved }) => resolved.map((user) => ({ id, user })))
    await query(
      `INSERT INTO curfew.resolved_users (user_id, revocation_id)
       SELECT "user", id FROM json_to_recordset($1) AS v (id uuid, "user" text)`,
      [JSON.stringify(resolved)],
    )
  }
  await query('VACUUM ANALYZE curfew.revocations')
  await query('VACUUM ANALYZE curfew.resolved_users')
}
