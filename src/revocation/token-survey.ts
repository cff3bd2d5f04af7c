import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { paced } from '../base/pause.ts'
import type { CallOptions, QlikTenant, QlikTenants } from './qlik-tenant.ts'
import { requirePower } from './require-power.ts'
import { type Place, urgencyOf } from './schedule.ts'
import { REASONS, type Reason } from './signal.ts'
import type { Sized, Unsized } from './store/size-store.ts'
import type { RevocationStore } from './store.ts'
import { type Allowance, planSurvey } from './survey-plan.ts'
import { sizeOf } from './survey-size.ts'

/** The most revocations that one plan considers. */
const READ_AT_ONCE = 1_000
/** How many are counted before their sizes are stored: one statement, which delays signals that arrive. */
const NOTED_AT_ONCE = 50
/** Storing sizes takes up to a quarter of the store's time: the rest is for signals and runs. */
const PAUSE_FACTOR = 3
const CONCURRENCY = 8
/** The process that holds the reservation may have ended. */
const RESERVED_FOR_MS = 60_000
/** Between two looks for revocations without a size. */
const PAUSE_MS = 200
/** After a failure, and while another process counts the tenant's tokens. */
const LONG_PAUSE_MS = 10_000
/** After this time, revocations that were passed over are counted, too: those that failed, or were put back. */
const START_OVER_AFTER_MS = 10 * 60_000

/** Behind all other calls of the same urgency. */
const LAST: Place = { remaining: Number.POSITIVE_INFINITY, since: Number.POSITIVE_INFINITY }

export interface TokenSurveyOptions {
  store: Pick<RevocationStore, 'unsized' | 'noteSizes' | 'reserveSurvey'>
  tenants: Pick<QlikTenants, 'get'>
  clock: Clock
  log: Log
  allowance: (tenant: string) => Allowance | null
  /** Number of tokens that the current runs of each tenant still have to revoke, as far as known. */
  tokens: () => ReadonlyMap<string, number>
  /** Called after sizes were stored. */
  onSized: () => void
}

/** A position in a tenant's queue of one reason. */
interface Cursor {
  after: Unsized | null
  startedAt: number
}

/**
 * Counts the tokens of users that wait for a tenant whose budget is used up, with calls of Tier 1, so that those with the
 * fewest are claimed first. The sizes are hints. Each run lists its user again.
 */
export class TokenSurvey {
  readonly #options: TokenSurveyOptions
  readonly #stop = new AbortController()
  readonly #cursors = new Map<string, Cursor>()
  /** Pages of the list of all tokens, by tenant: see `SurveyNeed`. */
  readonly #pages = new Map<string, number>()
  readonly #notBefore = new Map<string, number>()
  #surveying: Promise<void> | null = null
  #cancelTimer = () => {}

  constructor(options: TokenSurveyOptions) {
    this.#options = options
  }

  /** Starts a survey if a tenant needs one. Costs nothing while the budgets suffice for the current runs. */
  wake(): void {
    if (this.#surveying || this.#stop.signal.aborted) return
    const tenants = this.#crowded()
    if (tenants.length === 0) {
      this.#wakeAfterPause()
      return
    }
    this.#surveying = this.#surveyAll(tenants).finally(() => {
      if (this.#stop.signal.aborted) return
      this.#cancelTimer = this.#options.clock.after(PAUSE_MS, () => {
        this.#surveying = null
        this.wake()
      })
    })
  }

  /** Nothing else may wake it while all runs wait for the budget. */
  #wakeAfterPause(): void {
    const now = this.#options.clock.monotonic()
    const pauses = [...this.#notBefore.values()].filter((at) => at > now)
    this.#cancelTimer()
    if (pauses.length > 0)
      this.#cancelTimer = this.#options.clock.after(Math.min(...pauses) - now, () => this.wake())
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#surveying
    this.#cancelTimer()
  }

  /** The tenants that cannot start all calls of the current runs. */
  #crowded(): string[] {
    const { tokens, allowance, clock } = this.#options
    const now = clock.monotonic()
    return [...tokens()].flatMap(([tenant, count]) => {
      const isPausing = (this.#notBefore.get(tenant) ?? Number.NEGATIVE_INFINITY) > now
      return !isPausing && count > (allowance(tenant)?.permits ?? Number.POSITIVE_INFINITY) ? [tenant] : []
    })
  }

  async #surveyAll(tenants: readonly string[]): Promise<void> {
    const { log } = this.#options
    const survey = async (tenant: string) => {
      try {
        for (const reason of REASONS) await this.#survey(tenant, reason)
      } catch (error) {
        if (this.#stop.signal.aborted) return
        this.#pauseFor(tenant)
        log.warn({ err: error, tenant }, 'could not count the tokens of waiting users; retrying')
      }
    }
    await Promise.all(tenants.map(survey))
  }

  #pauseFor(tenant: string): void {
    this.#notBefore.set(tenant, this.#options.clock.monotonic() + LONG_PAUSE_MS)
  }

  async #survey(name: string, reason: Reason): Promise<void> {
    const { store, tenants } = this.#options
    const cursor = this.#cursorOf(name, reason)
    const call = { signal: this.#stop.signal, urgency: urgencyOf(reason), place: LAST }
    let counts: ReadonlyMap<string, number> | null = null
    for (;;) {
      const unsized = await store.unsized({ tenant: name, reason, after: cursor.after, limit: READ_AT_ONCE })
      if (unsized.length === 0) return
      // With the list of the whole tenant, the rest needs no calls.
      const way = counts ? 'whole-tenant' : this.#plan(name, unsized.length)
      const tenant = tenants.get(name)
      if (!tenant || way === 'none') return
      if (!(await store.reserveSurvey(name, RESERVED_FOR_MS))) return this.#pauseFor(name)
      const { power, client, ownUserIds } = await requirePower(tenant, call)
      // The client might see no tokens of others.
      if (power !== 'proven') return
      if (way === 'whole-tenant') counts ??= await this.#countAll(tenant, unsized.length, { ...call, client })
      if (way === 'whole-tenant' && counts === null) continue
      const counted = counts === null ? NOTED_AT_ONCE : unsized.length
      let stored = 0
      for (let start = 0; start < counted; start += NOTED_AT_ONCE) {
        const some = unsized.slice(start, start + NOTED_AT_ONCE)
        stored += await this.#note(some, (one) => sizeOf(one, { tenant, ownUserIds, counts, call }))
        cursor.after = some.at(-1) ?? cursor.after
      }
      if (stored > 0) this.#options.onSized()
    }
  }

  #plan(tenant: string, unsized: number) {
    const { allowance, tokens } = this.#options
    const allowed = allowance(tenant)
    if (!allowed) return 'none'
    const pages = this.#pages.get(tenant) ?? null
    return planSurvey({ ...allowed, unsized, tokens: tokens().get(tenant) ?? 0, pages })
  }

  #cursorOf(tenant: string, reason: Reason): Cursor {
    const key = JSON.stringify([tenant, reason])
    const now = this.#options.clock.monotonic()
    const known = this.#cursors.get(key)
    if (known && now - known.startedAt < START_OVER_AFTER_MS) return known
    const cursor = { after: null, startedAt: now }
    this.#cursors.set(key, cursor)
    return cursor
  }

  /** The number of tokens of each user of the tenant; null if the list has more than `maxPages`. */
  async #countAll(
    tenant: QlikTenant,
    maxPages: number,
    call: CallOptions & { client: string },
  ): Promise<ReadonlyMap<string, number> | null> {
    const counts = new Map<string, number>()
    let page: string | null = null
    for (let read = 1; ; read += 1) {
      const { owners, next } = await tenant.listOwners(page, call)
      for (const owner of owners) counts.set(owner, (counts.get(owner) ?? 0) + 1)
      this.#pages.set(tenant.name, read)
      if (next === null) return counts
      if (read >= maxPages) return null
      page = next
    }
  }

  /** Returns how many sizes were stored. */
  async #note(unsized: readonly Unsized[], count: (one: Unsized) => Promise<number | null>): Promise<number> {
    const sizes: Sized[] = []
    const rest = unsized.values()
    const lane = async () => {
      for (const one of rest) {
        const size = await count(one)
        if (size !== null) sizes.push({ id: one.id, size })
      }
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, lane))
    if (sizes.length === 0) return 0
    const { store, clock } = this.#options
    return paced(PAUSE_FACTOR, () => store.noteSizes(sizes), clock, this.#stop.signal)
  }
}
