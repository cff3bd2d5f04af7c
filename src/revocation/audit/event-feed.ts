import { z } from 'zod'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { AuditReading } from './audit-log.ts'
import { type By, entryOf, type Position, type StoredEntry } from './entry.ts'

const READ_EVERY_MS = 1_000
const ENTRIES_A_PAGE = 500
/** After a longer absence, a subscriber is notified that events are missing. */
const LARGEST_RESUME = 10_000
/** Longer than a transaction: entries of one chain can be committed after later ones of another. */
const OVERLAP_MS = 10_000

/** An event about a revocation. */
export interface FeedEvent {
  /** The place of its entry in the audit trail, see `EventId`. */
  id: string
  /** ms since the epoch. */
  at: number
  event: string
  tenant: string
  revocation: string
  /** Null for Curfew itself. */
  by: Omit<By, 'id'> | null
  /** As in the audit trail, with the number of tokens instead of their ids. */
  details: Record<string, unknown>
}

/** The id of a `FeedEvent`: the time, chain and position of its entry. */
export const EventId = z
  .string()
  .regex(/^\d{1,16}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_\d{1,16}$/, 'expected the id of an event')
  .transform((text) => {
    const [at, writer, sequence] = text.split('_')
    return { at: Number(at), writer: String(writer), sequence: Number(sequence) }
  })
export type EventId = z.output<typeof EventId>

export interface Subscriber {
  onEvents: (events: readonly FeedEvent[]) => void
  /** Called before any event if too many were missed to resume. */
  onGap: () => void
  /** Called when the feed closes. */
  onEnd: () => void
}

export interface EventFeedOptions {
  audit: Pick<AuditReading, 'list' | 'spans' | 'page'>
  clock: Clock
  log: Log
}

interface Resume {
  after: EventId
  tenants: readonly string[] | undefined
  /** What was read before the subscription. */
  read: Ends
}

/** The last entry of each chain, by writer. */
type Ends = Map<string, number>

/**
 * Sends subscribers the new entries of the audit trail about revocations, from all processes that share the store. Each chain is
 * read in its order, so no entry is missed; while nobody subscribes, nothing is read.
 */
export class EventFeed {
  readonly #options: EventFeedOptions
  readonly #subscribers = new Set<Subscriber>()
  #beginning: Promise<Ends> | null = null
  /** What was read; null while nobody subscribes. */
  #read: Ends | null = null
  #cancelTimer = () => {}
  #isClosed = false

  constructor(options: EventFeedOptions) {
    this.#options = options
  }

  get subscribers(): number {
    return this.#subscribers.size
  }

  /**
   * Sends events from now on; with `after`, first those since then. An event can be sent twice: events of other chains in the
   * 10 s before `after` are sent again.
   * @param tenants whose events are read since then; by default of all tenants. Later ones are sent of all tenants
   * @returns ends the subscription
   */
  async subscribe(
    subscriber: Subscriber,
    { after, tenants }: { after: EventId | null; tenants?: readonly string[] | undefined },
  ): Promise<() => void> {
    const waiting: FeedEvent[] = []
    let send: Subscriber['onEvents'] = (events) => void waiting.push(...events)
    const own = { ...subscriber, onEvents: (events: readonly FeedEvent[]) => send(events) }
    const stop = () => this.#remove(own)
    this.#subscribers.add(own)
    try {
      this.#beginning ??= this.#begin()
      const read = new Map(await this.#beginning)
      if (after) await this.#resume(subscriber, { after, tenants, read })
    } catch (error) {
      stop()
      throw error
    }
    subscriber.onEvents(waiting)
    send = subscriber.onEvents
    if (this.#isClosed) subscriber.onEnd()
    return stop
  }

  close(): void {
    this.#isClosed = true
    for (const one of [...this.#subscribers]) {
      this.#remove(one)
      one.onEnd()
    }
  }

  #remove(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber)
    if (this.#subscribers.size > 0) return
    this.#cancelTimer()
    this.#beginning = null
    this.#read = null
  }

  async #begin(): Promise<Ends> {
    const read = await this.#ends()
    if (this.#subscribers.size > 0) {
      this.#read = read
      this.#readLater(read)
    }
    return read
  }

  async #resume({ onEvents, onGap }: Subscriber, { after, tenants, read }: Resume): Promise<void> {
    const isNew = ({ writer, sequence }: Position) =>
      sequence <= (read.get(writer) ?? 0) && !(writer === after.writer && sequence <= after.sequence)
    const found: StoredEntry[] = []
    let cursor: string | undefined
    // A page can be short: the number of pages is limited, whatever they contain.
    for (let pages = 0; pages < LARGEST_RESUME / ENTRIES_A_PAGE; pages += 1) {
      const query = { from: after.at - OVERLAP_MS, limit: ENTRIES_A_PAGE, cursor, tenants }
      const { items, nextCursor } = await this.#options.audit.list(query)
      found.push(...items.filter(isNew))
      if (nextCursor === null) return onEvents(found.toReversed().flatMap((entry) => eventOf(entry) ?? []))
      cursor = nextCursor
    }
    onGap()
  }

  async #ends(): Promise<Ends> {
    const spans = await this.#options.audit.spans()
    return new Map(spans.map(({ writer, last }) => [writer, last]))
  }

  #readLater(read: Ends): void {
    this.#cancelTimer = this.#options.clock.after(READ_EVERY_MS, () => this.#readNew(read))
  }

  /** Never rejects: a failed reading is repeated. */
  async #readNew(read: Ends): Promise<void> {
    try {
      for (const [writer, last] of await this.#ends()) await this.#readChain(read, writer, last)
    } catch (error) {
      this.#options.log.warn({ err: error }, 'could not read events for subscribers; retrying')
    }
    if (this.#read === read) this.#readLater(read)
  }

  async #readChain(read: Ends, writer: string, last: number): Promise<void> {
    for (;;) {
      const sequence = read.get(writer) ?? 0
      if (sequence >= last) return
      const page = await this.#options.audit.page(
        { writer, sequence },
        Math.min(ENTRIES_A_PAGE, last - sequence),
      )
      if (this.#read !== read) return
      const entries = page.filter((entry) => entry.writer === writer)
      // If there are none, they were deleted.
      read.set(writer, entries.at(-1)?.sequence ?? last)
      const events = entries.flatMap((entry) => eventOf(entry) ?? [])
      if (events.length > 0) for (const { onEvents } of [...this.#subscribers]) onEvents(events)
    }
  }
}

/** Null if the entry is about no revocation, or another program has damaged it. */
function eventOf({ text, writer, sequence }: StoredEntry): FeedEvent | null {
  const entry = entryOf(text)
  if (entry === null) return null
  const { at, event, tenant, revocation, by, details } = entry
  if (tenant === null || revocation === null) return null
  return {
    ...{ id: `${at}_${writer}_${sequence}`, at, event, tenant, revocation },
    by: by && { kind: by.kind, name: by.name },
    details: Array.isArray(details.tokens) ? { ...details, tokens: details.tokens.length } : details,
  }
}
