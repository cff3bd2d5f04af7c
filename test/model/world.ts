import type { TenantConfig } from '../../src/qlik/tenant-config.ts'
import type { Revocation } from '../../src/revocation/revocation.ts'
import { CallWatch } from './call-watch.ts'
import { tenantConfigWith } from './curfew.ts'
import { Fleet } from './fleet.ts'
import type { ModelStore, OpenModelStore } from './model-store.ts'
import { Network, TIMEOUT_MS } from './network.ts'
import { Oracle, summaryOf } from './oracle.ts'
import type { Setup } from './setup.ts'
import { ModelTenant, type Token } from './tenant.ts'
import { TenantApi } from './tenant-api.ts'
import { randomFrom, Timeline } from './timeline.ts'
import { Violation } from './violation.ts'

const START = Date.parse('2026-11-21T12:00:00Z')

/** One run: a tenant, processes, and true time, all created from one setup. */
export class World {
  readonly setup: Setup
  readonly timeline: Timeline
  readonly tenant: ModelTenant
  readonly network: Network
  readonly fleet: Fleet
  readonly oracle: Oracle
  readonly watch: CallWatch
  readonly trace: string[] = []
  /** Ids under which signals were acknowledged. */
  readonly acknowledged = new Set<string>()
  readonly random: () => number
  readonly #store: ModelStore
  #revocations: ReadonlyMap<string, Revocation> = new Map()
  #violation: Violation | null = null
  #failure: unknown = null
  #isDirty = false

  private constructor(setup: Setup, timeline: Timeline, store: ModelStore, config: TenantConfig) {
    const onViolation = (violation: Violation) => this.report(violation)
    const random = randomFrom(setup.seed)
    const tenant = new ModelTenant(setup.tenant, timeline)
    const api = new TenantApi(tenant, (token) => this.#onDelete(token))
    const isExcused = () => this.fleet.mayExceed()
    const watch = new CallWatch({ timeline, network: () => this.network, mayExceed: isExcused, onViolation })
    const { latencyMs, skewsMs } = setup
    const network = new Network({ tenant, api, timeline, random, latencyMs, observer: watch })
    const fleet = new Fleet({
      ...{ timeline, tenant, network, store, config, skewsMs, onViolation },
      random: randomFrom(setup.seed + 1),
      onChange: () => this.touch(),
      onFailure: (error) => {
        this.#failure ??= error
      },
      trace: (line) => this.note(line),
    })
    const { bornEpochOf, clockChangesOf } = fleet
    const { isClockLocal } = store
    this.setup = setup
    this.timeline = timeline
    this.tenant = tenant
    this.network = network
    this.fleet = fleet
    this.watch = watch
    this.oracle = new Oracle({ tenant, timeline, isClockLocal, bornEpochOf, clockChangesOf })
    this.random = random
    this.#store = store
  }

  static async open(setup: Setup, openStore: OpenModelStore): Promise<World> {
    const { limits, windowMs } = setup.tenant
    const config = await tenantConfigWith({
      ...{ tier1Limit: limits[1], tier2Limit: limits[2], windowMs, timeoutMs: TIMEOUT_MS },
      concurrency: setup.concurrency,
    })
    const timeline = new Timeline(START)
    const store = await openStore(setup, timeline)
    timeline.onMove = () => store.onTime()
    const world = new World(setup, timeline, store, config)
    await world.fleet.startAll()
    return world
  }

  /** The last seen revocation for each acknowledged id. */
  get revocations(): ReadonlyMap<string, Revocation> {
    return this.#revocations
  }

  /** Adds a line to the trace. */
  note(line: string): void {
    this.trace.push(`${((this.timeline.now - START) / 1000).toFixed(3).padStart(9)} s  ${line}`)
  }

  /** Reports a violated guarantee: the run ends as soon as possible. */
  report(violation: Violation): void {
    this.#violation ??= violation
  }

  /** Marks that revocations may have changed. */
  touch(): void {
    this.#isDirty = true
  }

  /**
   * Advances time, and checks all guarantees after each event.
   * @throws Violation
   */
  pass(ms: number, isDone: () => boolean = () => false): Promise<void> {
    return this.timeline.pass(ms, async () => {
      await this.look()
      return isDone()
    })
  }

  /**
   * Checks all guarantees now.
   * @throws Violation
   */
  async look(): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    if (this.#violation) throw this.#violation
    const { store } = this.fleet
    if (!this.#isDirty || !store) return
    this.#isDirty = false
    const found = new Map<string, Revocation | null>()
    for (const id of this.acknowledged) found.set(id, await store.get(id))
    this.#traceChanges(found)
    this.oracle.check(found)
    this.#revocations = new Map([...found].flatMap(([id, one]) => (one ? [[id, one]] : [])))
    if (this.#violation) throw this.#violation
  }

  /** How long a token is still listed after its end, or not yet listed after its issue. */
  lagOf(lagsMs: readonly number[]): number {
    return lagsMs[Math.floor(this.random() * lagsMs.length)] ?? 0
  }

  async close(): Promise<void> {
    await this.fleet.abandonAll()
    await this.#store.close()
  }

  #onDelete(token: Token): void {
    this.note(`${token.id} of ${token.userId} is deleted`)
    this.tenant.end(token, this.lagOf(this.setup.deleteLagsMs))
    try {
      this.oracle.checkDelete(token)
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.report(error)
    }
  }

  #traceChanges(found: ReadonlyMap<string, Revocation | null>): void {
    for (const [id, revocation] of found) {
      const before = this.#revocations.get(id)
      const now = revocation && JSON.stringify(summaryOf(revocation))
      if (now && now !== (before && JSON.stringify(summaryOf(before)))) this.note(`  ${now}`)
    }
  }
}
