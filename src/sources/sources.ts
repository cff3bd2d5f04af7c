import type { Check } from '../base/check.ts'
import type { SourceEntry } from '../base/source-entry.ts'
import { SessionSources } from '../revocation/session-sources.ts'
import type { OpenPart, SourceContext, SourcePart } from './common/part.ts'
import type { SourceRoutes } from './common/route.ts'
import { createFetchJson } from './token/fetch-json.ts'
import { KeyPrefetch } from './token/key-prefetch.ts'

/** The sources of the configuration: each entry belongs to the part that has its kind. */
export class Sources {
  /** The sources that name sessions. */
  readonly sessions: SessionSources
  readonly #parts: readonly { part: SourcePart; opened: OpenPart }[]
  readonly #closeFetch: () => Promise<void>
  readonly #prefetch: KeyPrefetch
  #isStarted = false
  #entries: readonly SourceEntry[] = []
  #names: ReadonlySet<string> = new Set()

  constructor(
    parts: readonly SourcePart[],
    entries: readonly SourceEntry[],
    options: Omit<SourceContext, 'fetchJson' | 'sessionSources'>,
  ) {
    const { fetchJson, close } = createFetchJson()
    this.#closeFetch = close
    this.#prefetch = new KeyPrefetch(options)
    const namingSessions = parts.filter(({ namesSessions }) => namesSessions).flatMap(({ kinds }) => kinds)
    this.sessions = new SessionSources(() => this.#ofKinds(namingSessions), options.tenants)
    const context = { ...options, fetchJson, sessionSources: this.sessions }
    this.#parts = parts.map((part) => ({ part, opened: part.open(context) }))
    this.replace(entries)
  }

  /** Registers the routes of all parts. */
  readonly routes: SourceRoutes = async (app) => {
    for (const { opened } of this.#parts) await app.register(opened.routes)
  }

  /** Replaces the sources, all at once. */
  replace(entries: readonly SourceEntry[]): void {
    this.#entries = entries
    this.#names = new Set(entries.map(({ name }) => name))
    for (const { part, opened } of this.#parts) opened.replace(this.#ofKinds(part.kinds))
    if (this.#isStarted) this.#fetchKeys()
  }

  entries(): readonly SourceEntry[] {
    return this.#entries
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** Starts the background work: fetching keys, and polling. */
  start(): void {
    this.#isStarted = true
    this.#fetchKeys()
    for (const { opened } of this.#parts) opened.start?.()
  }

  checks(): Check[] {
    return this.#parts.flatMap(({ opened }) => opened.checks?.() ?? [])
  }

  /** Ends the background work and closes all connections. */
  async stop(): Promise<void> {
    this.#isStarted = false
    this.#prefetch.stop()
    await Promise.all(this.#parts.map(({ opened }) => opened.stop?.()))
    await this.#closeFetch()
  }

  #fetchKeys(): void {
    this.#prefetch.replace(this.#parts.flatMap(({ opened }) => opened.keys?.() ?? []))
  }

  #ofKinds(kinds: readonly string[]): SourceEntry[] {
    return this.#entries.filter(({ kind }) => kinds.includes(kind))
  }
}
