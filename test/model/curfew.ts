import type { Clock } from '../../src/base/clock.ts'
import type { Log } from '../../src/base/log.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { webhookReplay } from '../../src/http/idempotency.ts'
import { type SignalDetails, toSignal } from '../../src/http/signal-body.ts'
import type { Transport } from '../../src/qlik/http.ts'
import type { TenantConfig } from '../../src/qlik/tenant-config.ts'
import { Tenants } from '../../src/qlik/tenants.ts'
import { type Accept, createAccept } from '../../src/revocation/accept.ts'
import { createDryRun, type DryRun } from '../../src/revocation/dry-run.ts'
import { LateTimes } from '../../src/revocation/late-times.ts'
import { Outbox } from '../../src/revocation/outbox.ts'
import type { Reason, Signal, UserReference } from '../../src/revocation/signal.ts'
import type { Accepted, RevocationStore } from '../../src/revocation/store.ts'
import { Worker } from '../../src/revocation/worker.ts'
import { openStore } from '../../src/stores/open-store.ts'
import { postgres } from '../../src/stores/postgres/part.ts'
import { COMPLETE } from '../support/configuration.ts'
import { AN_ORIGIN } from '../support/signals.ts'
import type { ProcessClock } from './process-clock.ts'
import { type Timeline, tracked } from './timeline.ts'

export interface CurfewOptions {
  database: string
  config: TenantConfig
  clock: ProcessClock
  timeline: Timeline
  random: () => number
  transport: (process: object) => Transport
  log: Log
  /** Called after a revocation has ended or was confirmed. */
  onChange: () => void
}

/** The members of a request's body. */
export interface SentSignal {
  user: UserReference
  details: SignalDetails
  defaultReason: Reason
}

/** One process of Curfew without its HTTP server; everything else is assembled as in `src/components.ts`. */
export class Curfew {
  readonly clock: ProcessClock
  readonly store: RevocationStore
  readonly #tenants: Tenants
  readonly #worker: Worker
  readonly #lateTimes: LateTimes
  readonly #accept: Accept
  readonly #dryRun: DryRun
  #config: TenantConfig

  private constructor(
    { clock, config, timeline, random, transport, log, onChange }: CurfewOptions,
    store: Awaited<ReturnType<typeof openStore>>,
  ) {
    const { permits } = store
    this.clock = clock
    this.store = tracked<RevocationStore>(store, timeline)
    this.#config = config
    this.#tenants = new Tenants([config], {
      permits: tracked(permits, timeline),
      clock,
      log,
      onCall: () => {},
      openTransport: () => transport(this),
    })
    const tenants = this.#tenants
    this.#worker = new Worker({
      store: this.store,
      tenants,
      clock,
      log,
      random,
      runsPerTenant: () => 2 * tenants.highestConcurrency,
      onEnded: onChange,
      onConfirmed: onChange,
      onEndedElsewhere: () => {},
    })
    this.#lateTimes = new LateTimes({ store: this.store, tenants, clock, log })
    this.#accept = createAccept({
      store: this.store,
      tenants,
      clock,
      onAccepted: (_signals, { revocations, replayed }) => {
        if (!replayed) this.#lateTimes.note(revocations)
        this.#worker.wake()
      },
    })
    this.#dryRun = createDryRun({ tenants, audit: this.store.audit, clock })
  }

  /** Resolves when it is ready. */
  static async start(options: CurfewOptions): Promise<Curfew> {
    const { database, log } = options
    const clock = storeClock(options)
    const curfew = new Curfew(options, await openStore(database, [postgres], { connections: 3, clock, log }))
    await curfew.#tenants.start()
    await curfew.#worker.start()
    return curfew
  }

  /**
   * The signals of a request, as its route creates them.
   * @throws CURFEW_REQUEST_INVALID
   */
  toSignals(sent: readonly SentSignal[]): Signal[] {
    return sent.map(({ user, details, defaultReason }) =>
      toSignal(details, {
        user,
        source: 'logout-hook',
        defaultReason,
        sender: { tenants: null },
        tenants: this.#tenants,
        outbox: new Outbox(),
        now: this.clock.now(),
      }),
    )
  }

  /** @param webhookId id of a delivery that may be repeated, or null */
  accept(signals: Signal[], webhookId: string | null): Promise<Accepted> {
    const delivery = { tenant: this.#config.name, body: Buffer.from(''), now: this.clock.now() }
    return this.#accept(signals, webhookId === null ? null : webhookReplay(webhookId, delivery), AN_ORIGIN)
  }

  async retry(id: string): Promise<void> {
    await this.store.retry(id, this.clock.now())
    this.#worker.wake()
  }

  dryRun(signals: readonly Signal[]): ReturnType<DryRun> {
    return this.#dryRun(signals, AN_ORIGIN)
  }

  reload(changes: Partial<TenantConfig>): void {
    this.#config = { ...this.#config, ...changes }
    this.#tenants.replace([this.#config])
  }

  /** The tenant's clock, as known to this process. */
  clockOffset() {
    return this.#tenants.ifOpen(this.#config.name)?.clockOffset() ?? null
  }

  /** Same as closing the app. */
  async stop(): Promise<void> {
    this.#lateTimes.stop()
    const runs = this.#worker.stop()
    await Promise.all([runs, this.#tenants.stop()])
    await this.store.close()
    this.clock.end()
  }

  /** Closes the database after a crash. Nothing of the process reaches the tenant or anyone else. */
  async abandon(): Promise<void> {
    this.clock.end()
    await this.store.close()
  }
}

/** For a busy machine: polls the database rarely enough, and often enough not to be considered dead. */
const TIMERS_ARE_LATE_MS = 3_000

/** The clock of a store. Unlike calls to the tenant, its periodic work takes no time. */
function storeClock({ clock, timeline }: Pick<CurfewOptions, 'clock' | 'timeline'>): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (ms, callback) =>
      clock.after(ms + TIMERS_ARE_LATE_MS, () => {
        const work: unknown = callback()
        if (work instanceof Promise) timeline.track(work)
      }),
  }
}

let tenantConfig: TenantConfig | null = null

/** The configuration of the model tenant, with defaults for everything that a run does not set. */
export async function tenantConfigWith(changes: Partial<TenantConfig>): Promise<TenantConfig> {
  tenantConfig ??= (await loadConfig({ ...COMPLETE })).tenants[0]
  return { ...tenantConfig, ...changes }
}
