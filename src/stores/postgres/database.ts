import pg from 'pg'
import { CurfewError } from '../../base/errors.ts'

/** Runs one statement, on its own connection or in a transaction. */
export type Query = (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>

/** Timeouts for connecting and for a statement. Senders also give up after a few seconds. */
const CONNECT_TIMEOUT_MS = 3_000
const STATEMENT_TIMEOUT_MS = 5_000
/**
 * SQLSTATEs after which a transaction is retried: a deadlock, a serialization failure, and a unique violation by a row
 * that another transaction inserted concurrently.
 */
const RETRYABLE = new Set(['40P01', '40001', '23505'])
const ATTEMPTS = 3

/** Counts and times fit into a number: ms since the epoch are exact for 285,000 years. */
const BIGINT = 20
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => (oid === BIGINT ? Number : pg.types.getTypeParser(oid, format)),
}

/** PostgreSQL rolls back the transaction of a frozen or disconnected process after this time, to release its locks. */
const IDLE_IN_TRANSACTION_MS = 3_000

/**
 * Identifies the columns and statuses that this version knows. Every transaction sets it as `curfew.version`, and every
 * connection names itself by it. The trigger `curfew.distrust_earlier_version` marks rows that were written by a version
 * that knows fewer columns.
 */
export const VERSION = 4

/** The name of connections in `pg_stat_activity`, before the version. Versions before 3 give no version. */
export const APPLICATION = 'curfew'

/** The options of every connection. Without the timeouts, a connection to an unresponsive server would wait forever. */
export function connectionOptions(url: string): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: `${APPLICATION} ${VERSION}`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    keepAlive: true,
    types,
  }
}

/**
 * For writes that a server crash may lose, such as claims: the loss is detected, and the revocation is claimed again.
 * The WAL is written in order, so a later transaction never survives without an earlier one.
 */
export const UNSYNCED = { mustSync: false }

/** A connection pool. Connections that had an error are discarded. */
export class PostgresDatabase {
  readonly #pool: pg.Pool
  readonly #onFailedWrite: (error: unknown) => void

  /**
   * @param connections maximum number of open connections
   * @param onFailedWrite called with the error of each transaction that must reach the disk and fails
   */
  constructor(url: string, connections: number, onFailedWrite: (error: unknown) => void = () => {}) {
    this.#onFailedWrite = onFailedWrite
    this.#pool = new pg.Pool({ ...connectionOptions(url), max: connections })
    // The pool removes idle connections that break, and opens a new one for the next statement.
    this.#pool.on('error', () => {})
    // Between the pool's listener for errors and that of `#attempt`, a new connection has none. The server may end it in the
    // same packet that opens it, while it shuts down; without a listener, that would end the process.
    this.#pool.on('connect', (client) => client.on('error', () => {}))
  }

  /** Runs one statement. @throws CURFEW_STORE_UNAVAILABLE */
  query: Query = async (text, values = []) => {
    const { rows } = await this.execute(text, values)
    return rows
  }

  /**
   * Runs one statement, or several without values, and returns the complete result of the driver.
   * @throws CURFEW_STORE_UNAVAILABLE
   */
  async execute(text: string, values: unknown[] = []): Promise<pg.QueryResult> {
    try {
      return await this.#pool.query(text, values)
    } catch (error) {
      throw asCurfewError(error)
    }
  }

  /**
   * Runs `work` in a transaction, which is rolled back if `work` rejects. `work` may be called more than once.
   * @param mustSync whether to wait until the transaction is on disk; see `UNSYNCED`
   * @throws CURFEW_STORE_UNAVAILABLE, and the error of `work`
   */
  async transaction<T>(work: (query: Query) => Promise<T>, { mustSync = true } = {}): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt(work, mustSync)
      } catch (error) {
        if (attempt < ATTEMPTS && RETRYABLE.has(codeOf(error))) continue
        const failure = asCurfewError(error)
        if (mustSync) this.#onFailedWrite(failure)
        throw failure
      }
    }
  }

  async #attempt<T>(work: (query: Query) => Promise<T>, mustSync: boolean): Promise<T> {
    const client = await this.#pool.connect()
    let broken: unknown = null
    const onError = (error: Error) => {
      broken = error
    }
    client.on('error', onError)
    try {
      // The server may be configured to acknowledge commits before they are on disk.
      const sync = `SET LOCAL synchronous_commit = ${mustSync ? 'on' : 'off'}`
      await client.query(`BEGIN; ${sync}; SET LOCAL curfew.version = ${VERSION}`)
      const result = await work(async (text, values = []) => (await client.query(text, values)).rows)
      // After a failed statement, COMMIT rolls back without an error.
      const { command } = await client.query('COMMIT')
      if (command !== 'COMMIT') throw new CurfewError('CURFEW_STORE_UNAVAILABLE')
      return result
    } catch (error) {
      broken = error
      if (isRefusal(error))
        broken = await client.query('ROLLBACK').then(
          () => null,
          () => error,
        )
      throw error
    } finally {
      client.off('error', onError)
      client.release(broken !== null)
    }
  }

  /** Closes all connections. Idempotent. */
  async close(): Promise<void> {
    if (!this.#pool.ending) await this.#pool.end()
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** Whether the server rejected a statement, or Curfew's own code failed. In both cases the connection still works. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof CurfewError || (error instanceof pg.DatabaseError && !/^(57|08|53)/.test(codeOf(error)))
  )
}

/**
 * Maps a PostgreSQL error to an error of the store contract. Invalid data (SQLSTATE class 22), constraint violations
 * (23) and exceeded limits (54) are bugs in Curfew, so they are returned unchanged.
 */
export function asCurfewError(error: unknown): unknown {
  if (error instanceof CurfewError) return error
  const code = codeOf(error)
  if (error instanceof pg.DatabaseError && /^(2[23]|54)/.test(code)) return error
  return new CurfewError('CURFEW_STORE_UNAVAILABLE', `Database error: ${code || 'no response'}.`, {
    cause: error,
    retryAfterSeconds: 5,
  })
}

/**
 * Like `asCurfewError`, for the start: the detail names the server and what to check. Not for requests, whose senders must
 * not learn the address.
 */
export function asStartError(error: unknown, { host, port }: pg.Client): unknown {
  const failure = asCurfewError(error)
  if (!(failure instanceof CurfewError) || failure === error) return failure
  const code = codeOf(error)
  const address = host.startsWith('/') ? `${host}/.s.PGSQL.${port}` : `${host}:${port}`
  return new CurfewError('CURFEW_STORE_UNAVAILABLE', startDetail(error, address, code), { cause: error })
}

function startDetail(error: unknown, address: string, code: string): string {
  if (!(error instanceof pg.DatabaseError)) {
    const reason = code || 'no answer'
    return `Cannot reach PostgreSQL at ${address} (${reason}). Check that it is running, and the address in DATABASE_URL.`
  }
  if (/^(28|3D)/.test(code))
    return `PostgreSQL at ${address} rejects the login (${code}). Check user, password and database in DATABASE_URL.`
  return `PostgreSQL at ${address} reports SQLSTATE ${code}. Look the code up in PostgreSQL's list of error codes.`
}
