import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { connectionOptions } from './database.ts'

const RECONNECT_AFTER_MS = 1_000
/** Detects connections that broke without being closed. */
const PROBE_EVERY_MS = 5_000
/** Closing waits for the server, which may not respond. */
const CLOSE_TIMEOUT_MS = 500

/**
 * Receives notifications (NOTIFY) from other processes on its own connection, and reconnects if it breaks.
 * Notifications sent while it is disconnected are lost, so callers must also poll.
 */
export class PostgresListener {
  readonly #url: string
  readonly #channels = new Map<string, (payload: string) => void>()
  #client: pg.Client | null = null
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(url: string) {
    this.#url = url
  }

  /** Calls `callback` with the payload of each notification on a channel. Call it before `open`. */
  on(channel: string, callback: (payload: string) => void): void {
    this.#channels.set(channel, callback)
  }

  /** Resolves when the listener is connected or the first attempt has failed. It keeps reconnecting. */
  async open(): Promise<void> {
    clearTimeout(this.#timer)
    if (this.#closed) return
    const client = new pg.Client(connectionOptions(this.#url))
    this.#client = client
    client.on('error', () => this.#lose(client))
    client.on('end', () => this.#lose(client))
    client.on('notification', ({ channel, payload }) => this.#channels.get(channel)?.(payload ?? ''))
    try {
      await client.connect()
      await client.query(
        [...this.#channels.keys()].map((name) => `LISTEN ${pg.escapeIdentifier(name)}`).join(';'),
      )
      this.#probeLater(client)
    } catch {
      this.#lose(client)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    const end = this.#client?.end().catch(() => {})
    await Promise.race([end, delay(CLOSE_TIMEOUT_MS)])
  }

  #lose(client: pg.Client): void {
    if (this.#client !== client) return
    this.#client = null
    clearTimeout(this.#timer)
    client.end().catch(() => {})
    if (!this.#closed) this.#timer = setTimeout(() => this.open(), RECONNECT_AFTER_MS)
  }

  #probeLater(client: pg.Client): void {
    if (this.#client !== client || this.#closed) return
    this.#timer = setTimeout(() => {
      client.query('SELECT 1').then(
        () => this.#probeLater(client),
        () => this.#lose(client),
      )
    }, PROBE_EVERY_MS)
  }
}
