import type { TenantConfig } from '../../src/qlik/tenant-config.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import { Curfew } from './curfew.ts'
import type { ModelStore } from './model-store.ts'
import type { Network } from './network.ts'
import { ProcessClock } from './process-clock.ts'
import type { ModelTenant } from './tenant.ts'
import type { Timeline } from './timeline.ts'
import { Violation } from './violation.ts'

/** Longer than an undisturbed process takes to stop. */
const STOPS_WITHIN_MS = 60_000

interface Place {
  /** How far the machine's wall clock is ahead of the true time. */
  skewMs: number
  /** When it was last set ahead. */
  setAheadAt: number
  curfew: Curfew | null
  /** Address of the store for the current or last process. */
  address: string
}

interface Born {
  /** How often the tenant's clock was set. */
  epoch: number
  /** How often the clocks of the machine were set or stopped since. */
  clockChanges: number
}

export interface FleetOptions {
  timeline: Timeline
  tenant: ModelTenant
  network: Network
  store: ModelStore
  skewsMs: readonly number[]
  config: TenantConfig
  random: () => number
  onChange: () => void
  onViolation: (violation: Violation) => void
  /** Called if a process could not start. */
  onFailure: (error: unknown) => void
  trace: (line: string) => void
}

/** The processes of Curfew that share a store, each on a machine with its own clocks. */
export class Fleet {
  readonly #options: FleetOptions
  readonly #places: Place[]
  readonly #born = new WeakMap<object, Born>()
  #mayExceedUntil = Number.NEGATIVE_INFINITY

  constructor(options: FleetOptions) {
    this.#options = options
    const skews = options.skewsMs.slice(0, options.store.processes)
    this.#places = skews.map((skewMs) => ({
      skewMs,
      setAheadAt: Number.NEGATIVE_INFINITY,
      curfew: null,
      address: '',
    }))
  }

  async startAll(): Promise<void> {
    for (const place of this.#places.keys()) await this.start(place)
  }

  /** The process that a command addresses, if it is able to act now. */
  at(number: number): Curfew | null {
    const curfew = this.#places[number % this.#places.length]?.curfew
    return curfew && !curfew.clock.isPaused ? curfew : null
  }

  /** A store for inspection. */
  get store(): RevocationStore | null {
    return this.#places.find(({ curfew }) => curfew)?.curfew?.store ?? null
  }

  get areAllUp(): boolean {
    return this.#places.every(({ curfew }) => curfew && !curfew.clock.isPaused)
  }

  bornEpochOf = (process: object): number => this.#born.get(process)?.epoch ?? 0

  clockChangesOf = (process: object): number => this.#born.get(process)?.clockChanges ?? 0

  /**
   * Whether a process may have forgotten calls of the last window, because its wall clock was set ahead before it
   * started.
   */
  mayExceed = (): boolean => this.#options.timeline.now < this.#mayExceedUntil

  async start(number: number): Promise<void> {
    const { timeline, tenant, network, store, config, random, onChange } = this.#options
    const place = this.#placeOf(number)
    if (place.curfew) return
    const clock = new ProcessClock(timeline, place.skewMs)
    const forgetsMs = config.windowMs + config.timeoutMs
    const forgets = store.isClockLocal && timeline.now - place.setAheadAt < forgetsMs
    if (forgets) this.#mayExceedUntil = timeline.now + forgetsMs
    place.address = await store.nextAddress()
    const born = { epoch: tenant.epoch, clockChanges: 0 }
    place.curfew = await timeline.track(
      Curfew.start({
        ...{ config, clock, timeline, random, onChange },
        database: place.address,
        transport: (process) => {
          this.#born.set(process, born)
          return network.transportOf(process, clock)
        },
        log: this.#logOf(number, clock),
      }),
    )
  }

  async crash(number: number, downMs: number): Promise<void> {
    const { store } = this.#options
    const place = this.#placeOf(number)
    const { curfew } = place
    if (!curfew) return
    place.curfew = null
    curfew.clock.end()
    await store.crash(place.address)
    await curfew.abandon()
    this.#startLater(number, downMs)
  }

  /** Stops a process as SIGTERM does, and starts it again. */
  async restart(number: number, downMs: number): Promise<void> {
    const place = this.#placeOf(number)
    if (!place.curfew) return
    await this.#stop(place)
    this.#startLater(number, downMs)
  }

  async stopAll(): Promise<void> {
    for (const place of this.#places) await this.#stop(place)
  }

  /** Ends all processes, whatever their state. */
  async abandonAll(): Promise<void> {
    for (const { curfew } of this.#places) await curfew?.abandon()
  }

  setClock(number: number, ms: number): void {
    const place = this.#placeOf(number)
    place.skewMs += ms
    if (ms > 0) place.setAheadAt = this.#options.timeline.now
    place.curfew?.clock.step(ms)
    this.#noteClockChange(place)
  }

  pause(number: number, ms: number, sleeps: boolean): void {
    const place = this.#placeOf(number)
    if (!place.curfew || place.curfew.clock.isPaused) return
    place.curfew.clock.pause(ms, sleeps)
    this.#options.store.noteSilence(ms)
    if (sleeps) this.#noteClockChange(place)
  }

  #noteClockChange({ curfew }: Place): void {
    const born = curfew && this.#born.get(curfew)
    if (born) born.clockChanges += 1
  }

  async #stop(place: Place): Promise<void> {
    const { timeline } = this.#options
    const { curfew } = place
    if (!curfew) return
    place.curfew = null
    let hasStopped = false
    const stopped = curfew.stop().then(() => {
      hasStopped = true
    })
    await timeline.pass(STOPS_WITHIN_MS, async () => hasStopped)
    if (!hasStopped) throw new Violation('a process does not stop', {})
    await stopped
  }

  #startLater(number: number, downMs: number): void {
    const { timeline } = this.#options
    const start = () => this.start(number).catch((error) => this.#options.onFailure(error))
    timeline.at(timeline.now + downMs, () => timeline.track(start()))
  }

  #indexOf(number: number): number {
    return number % this.#places.length
  }

  #placeOf(number: number): Place {
    const place = this.#places[this.#indexOf(number)]
    if (!place) throw new Error('There is no such process.')
    return place
  }

  #logOf(number: number, clock: ProcessClock) {
    const { trace, onViolation } = this.#options
    const line = (level: string) => (details: object, message: string) => {
      if (clock.isDead) return
      const { err, ...rest } = Object(details)
      const reason = err instanceof Error ? ` ${err.stack}` : ''
      trace(`process ${this.#indexOf(number)} ${level}: ${message} ${JSON.stringify(rest)}${reason}`)
      if (level === 'error') onViolation(new Violation('an error was logged', { message, err: String(err) }))
    }
    return { info: line('info'), warn: line('warn'), error: line('error') }
  }
}
