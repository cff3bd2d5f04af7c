import pg from 'pg'
import { CurfewError } from '../../base/errors.ts'

/** Runs one statement, on a connection of its own or in a transaction. */
export type Query = (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>

/** How long a connection may take, and a statement. Those who send signals give up after a few seconds, too. */
const CONNECT_TIMEOUT_MS = 3_000
const STATEMENT_TIMEOUT_MS = 5_000
/**
 * As transactions that wait for each other in a circle, of which PostgreSQL ends one; or a row that another one has
 * inserted after it was looked for. Tried again it goes through.
 */
const REPEATABLE = new Set(['40P01', '40001', '23505'])
const ATTEMPTS = 3

/** Counts and times fit into a number: ms since the epoch are good for 285,000 years. */
const BIGINT = 20
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => (oid === BIGINT ? Number : pg.types.getTypeParser(oid, format)),
}

/** After this, the transaction of a process that is frozen or cut off is undone: what it has locked, others need. */
const IDLE_IN_TRANSACTION_MS = 3_000

/**
 * Which columns this version writes, as every transaction says in the setting `curfew.version`. A trigger of the schema
 * (`curfew.distrust_earlier_version`) marks what a version wrote that knows fewer columns, and leaves them as they were.
 */
const VERSION = 2

/** How every connection is made. Without the timeouts, one to a server that has gone silent would wait for ever. */
export function connectionOptions(url: string): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: 'curfew',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    keepAlive: true,
    types,
  }
}

/**
 * For writes that a crash of the server may lose, such as claims: the loss is noticed, and the revocation is claimed again.
 * The log is written in order: no later transaction survives without an earlier one.
 */
export const UNSYNCED = { mustSync: false }

/** A pool of connections. A connection on which anything went wrong is not used again. */
export class PostgresDatabase {
  readonly #pool: pg.Pool

  /** @param connections open at most */
  constructor(url: string, connections: number) {
    this.#pool = new pg.Pool({ ...connectionOptions(url), max: connections })
    // An idle connection that breaks has been taken out of the pool; the next statement opens another one.
    this.#pool.on('error', () => {})
  }

  /** One statement. @throws CURFEW_STORE_UNAVAILABLE */
  query: Query = async (text, values = []) => {
    const { rows } = await this.execute(text, values)
    return rows
  }

  /** One statement, or several without values, with all that the driver tells of them. @throws CURFEW_STORE_UNAVAILABLE */
  async execute(text: string, values: unknown[] = []): Promise<pg.QueryResult> {
    try {
      return await this.#pool.query(text, values)
    } catch (error) {
      throw asCurfewError(error)
    }
  }

  /**
   * Several statements: all are committed, or none. What `work` rejects with undoes them. It may be run again.
   * @param mustSync whether the answer waits until they are on disk; see `UNSYNCED`
   * @throws CURFEW_STORE_UNAVAILABLE, and what `work` rejects with
   */
  async transaction<T>(work: (query: Query) => Promise<T>, { mustSync = true } = {}): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt(work, mustSync)
      } catch (error) {
        if (attempt === ATTEMPTS || !REPEATABLE.has(codeOf(error))) throw asCurfewError(error)
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
      // A server may be set to answer before a commit is on disk; what is acknowledged here has to be.
      const sync = `SET LOCAL synchronous_commit = ${mustSync ? 'on' : 'off'}`
      await client.query(`BEGIN; ${sync}; SET LOCAL curfew.version = ${VERSION}`)
      const result = await work(async (text, values = []) => (await client.query(text, values)).rows)
      // One in which a statement has failed is undone by COMMIT, without an error.
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

  /** Lets go of all connections. Idempotent. */
  async close(): Promise<void> {
    if (!this.#pool.ending) await this.#pool.end()
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** Whether the server itself refused a statement, or our own code gave up: then the connection works. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof CurfewError || (error instanceof pg.DatabaseError && !/^(57|08|53)/.test(codeOf(error)))
  )
}

/**
 * An error of PostgreSQL in the terms of the store's contract. Wrong data (SQLSTATE class 22), a broken constraint (23)
 * and more than the database takes (54) would be a mistake of ours, so they stay as they are.
 */
export function asCurfewError(error: unknown): unknown {
  if (error instanceof CurfewError) return error
  const code = codeOf(error)
  if (error instanceof pg.DatabaseError && /^(2[23]|54)/.test(code)) return error
  return new CurfewError('CURFEW_STORE_UNAVAILABLE', `The database does not work: ${code || 'no answer'}.`, {
    cause: error,
    retryAfterSeconds: 5,
  })
}
