import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { pause } from '../../base/pause.ts'
import type { StatisticsStore, VerifiedCount, VerifiedQuery } from '../store/statistics-store.ts'
import { addTo, countOf, emptyHistogram, type Histogram, quantile, sumOf } from './durations.ts'

const MINUTE_MS = 60_000
const HOUR = 60
const DAY = 24 * HOUR
/**
 * A proof counts in the minute in which its listing began, and is stored when it ends. What is stored later than this is
 * not counted.
 */
const OPEN_MINUTES = 15
/** The minutes in which most proofs are stored. They are read each time, the other open ones once a minute. */
const RECENT_MINUTES = 3
/** After each statement, reading pauses for 4 times as long. */
const PAUSE_FACTOR = 4
/** Requests wait for the recent minutes, and the first one for the rest, for this long. Then they get what is known. */
const WAIT_MS = 100
/** The recent minutes are read again after this time. */
const FRESH_MS = 5_000
/** Of keys that are restricted to different tenants, and their readings. Each has up to 1.4 MB. */
const MAX_VIEWS = 8

/** In minutes: the length of a period, and of its intervals. */
export const PERIODS = { hour: { length: HOUR, step: 1 }, day: { length: DAY, step: 15 } } as const
export type Period = keyof typeof PERIODS

export interface Summary {
  verified: number
  /** In ms; null if nothing was verified. */
  p50: number | null
  p99: number | null
}

export interface PeriodStatistics {
  /** All of the period that is counted. */
  total: Summary
  /** Oldest first. Times in ms since the epoch; `summary` is null while the interval is not counted. */
  intervals: { from: number; summary: Summary | null }[]
  /** Whether everything is counted. */
  isComplete: boolean
}

export interface StatisticsOptions {
  store: StatisticsStore
  clock: Clock
  log: Log
}

/** What is known of the revocations of some tenants. Minutes since the epoch. */
interface View {
  tenants: readonly string[] | undefined
  minutes: Map<number, Histogram>
  /** The first minute that is counted. */
  first: number
  /** The first minute that may still change. */
  open: number
  /** The first minute that is not counted. */
  end: number
  readAt: number
  reading: Reading | null
}

interface Reading {
  /** The open minutes are read. */
  newest: Promise<void>
  all: Promise<void>
}

/**
 * How many revocations were verified over the last hour and day, and how long it took. Each minute is read once, the newest
 * first, in small parts with pauses; the last minutes are read again. Nothing is read unless someone asks.
 */
export class Statistics {
  readonly #options: StatisticsOptions
  readonly #stop = new AbortController()
  /** The view that was not used for longest is the first. */
  readonly #views = new Map<string, View>()
  /** One reading at a time. */
  #last: Promise<void> = Promise.resolve()
  /** The next statement starts then, or later: by the monotonic clock. */
  #nextAt = 0

  constructor(options: StatisticsOptions) {
    this.#options = options
  }

  /**
   * @param tenants undefined for all
   * @throws CURFEW_STORE_UNAVAILABLE
   */
  async of(period: Period, tenants: readonly string[] | undefined): Promise<PeriodStatistics> {
    const view = this.#viewOf(tenants)
    const isKept = this.#views.has(keyOf(tenants))
    if (isKept) await this.#refresh(view)
    return statisticsOf(view, period, this.#minute())
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#last
  }

  /** What is known. A new view is kept unless all others are being read, which bounds the queue, too. */
  #viewOf(tenants: readonly string[] | undefined): View {
    const key = keyOf(tenants)
    const known = this.#views.get(key)
    const now = this.#minute()
    const isUsable = known && (known.reading !== null || known.open > now - DAY)
    const start = now - OPEN_MINUTES
    const empty = { minutes: new Map(), first: start, open: start, end: start }
    const view = isUsable ? known : { tenants, ...empty, readAt: Number.NEGATIVE_INFINITY, reading: null }
    this.#views.delete(key)
    const idle = [...this.#views].find(([, { reading }]) => reading === null)
    if (this.#views.size >= MAX_VIEWS && idle) this.#views.delete(idle[0])
    if (this.#views.size < MAX_VIEWS) this.#views.set(key, view)
    return view
  }

  async #refresh(view: View): Promise<void> {
    const { clock } = this.#options
    const isFresh = clock.monotonic() - view.readAt < FRESH_MS && view.end > this.#minute()
    if (view.reading === null && isFresh) return
    const isFirst = view.reading === null && view.readAt === Number.NEGATIVE_INFINITY
    view.reading ??= this.#startReading(view)
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = clock.after(WAIT_MS, resolve)
    await Promise.race([isFirst ? view.reading.all : view.reading.newest, promise]).finally(cancel)
  }

  #startReading(view: View): Reading {
    const { clock, log } = this.#options
    const newest = this.#last.then(() => this.#readNewest(view))
    const all = newest
      .then(() => this.#readOlder(view))
      .finally(() => {
        view.reading = null
        view.readAt = clock.monotonic()
      })
    this.#last = all.catch((error) => {
      if (!this.#stop.signal.aborted) log.warn({ err: error }, 'could not read statistics')
    })
    return { newest, all }
  }

  /** Reads what may have changed. */
  async #readNewest(view: View): Promise<void> {
    const end = this.#minute() + 1
    const from = view.end < end ? view.open : Math.max(view.open, end - RECENT_MINUTES)
    await this.#readMinutes(view, from, end)
    view.end = end
    view.open = Math.max(view.open, end - OPEN_MINUTES)
  }

  /** Reads what was never read, and forgets what is too old. */
  async #readOlder(view: View): Promise<void> {
    const oldest = this.#minute() - DAY + 1
    while (view.first > oldest && !this.#stop.signal.aborted) {
      const from = Math.max(view.first - HOUR, oldest)
      await this.#readMinutes(view, from, view.first)
      view.first = from
    }
    for (const minute of view.minutes.keys()) if (minute < oldest) view.minutes.delete(minute)
    view.first = Math.max(view.first, oldest)
  }

  /** Replaces what is known of these minutes. */
  async #readMinutes(view: View, first: number, end: number): Promise<void> {
    const found: VerifiedCount[] = []
    let from: number | null = first * MINUTE_MS
    while (from !== null) {
      const part = await this.#readPart({ from, to: end * MINUTE_MS, tenants: view.tenants })
      if (part === null) return
      found.push(...part.counts)
      from = part.next
    }
    for (let minute = first; minute < end; minute += 1) view.minutes.delete(minute)
    for (const { minute, bucket, count } of found) {
      const histogram = view.minutes.get(minute) ?? emptyHistogram()
      view.minutes.set(minute, histogram)
      addTo(histogram, bucket, count)
    }
  }

  /** Pauses before the statement, not after it as `paced` does: requests need not wait for the last pause. Null at the end. */
  async #readPart(query: VerifiedQuery) {
    const { store, clock } = this.#options
    const wait = this.#nextAt - clock.monotonic()
    if (wait > 0) await pause(wait, clock, this.#stop.signal)
    if (this.#stop.signal.aborted) return null
    const startedAt = clock.monotonic()
    const part = await store.verified(query)
    const endedAt = clock.monotonic()
    this.#nextAt = endedAt + PAUSE_FACTOR * (endedAt - startedAt)
    return part
  }

  #minute(): number {
    return Math.floor(this.#options.clock.now() / MINUTE_MS)
  }
}

const keyOf = (tenants: readonly string[] | undefined) => JSON.stringify(tenants?.toSorted() ?? null)

function statisticsOf({ minutes, first, end }: View, period: Period, now: number): PeriodStatistics {
  const { length, step } = PERIODS[period]
  // The last interval is the current one.
  const start = (Math.floor(now / step) + 1) * step - length
  const histogramOf = (from: number, to: number) => {
    const within: Histogram[] = []
    for (let minute = from; minute < to; minute += 1) {
      const histogram = minutes.get(minute)
      if (histogram) within.push(histogram)
    }
    return sumOf(within)
  }
  const intervals = Array.from({ length: length / step }, (_, index) => {
    const from = start + index * step
    const isCounted = from >= first && from < end
    return {
      from: from * MINUTE_MS,
      summary: isCounted ? summaryOf(histogramOf(from, from + step)) : null,
    }
  })
  return {
    total: summaryOf(histogramOf(start, now + 1)),
    intervals,
    isComplete: intervals.every(({ summary }) => summary !== null),
  }
}

function summaryOf(histogram: Histogram): Summary {
  return { verified: countOf(histogram), p50: quantile(histogram, 0.5), p99: quantile(histogram, 0.99) }
}
