import { Gauge, type LabelValues, type Registry } from '@prometheus-io/client'
import type { Clock } from '../base/clock.ts'
import { expiringKeys } from '../http/key-expiry.ts'
import type { Senders } from '../http/senders.ts'
import { TIERS, type Tier } from '../qlik/budget/permit-log.ts'
import type { Deprecations } from '../qlik/deprecations.ts'
import { classOf } from '../qlik/pool.ts'
import type { HttpQlikTenant } from '../qlik/tenant.ts'
import type { Tenants } from '../qlik/tenants.ts'
import type { TrailCheck } from '../revocation/audit/trail-check.ts'
import type { Estimates } from '../revocation/estimates.ts'
import type { Outbox } from '../revocation/outbox.ts'
import type { ReceiverBacklog } from '../revocation/store/notification-store.ts'
import type { BacklogCount } from '../revocation/store.ts'
import type { TenantStatus } from '../revocation/tenant-status.ts'
import type { Store } from '../stores/store.ts'

export interface GaugeOptions {
  store: Pick<Store, 'backlog' | 'freeBytes'>
  outbox: Pick<Outbox, 'receivers'>
  /** Absent if the part is left out. */
  notifications?: { backlog(): readonly ReceiverBacklog[] } | undefined
  tenants: Pick<Tenants, 'opened' | 'clientBlockedUntil' | 'learnedLimit' | 'minuteLimit' | 'refreshBudgets'>
  estimates: Pick<Estimates, 'refresh' | 'statusOf'>
  deprecations: Pick<Deprecations, 'tenants' | 'of'>
  senders: Pick<Senders, 'apiKeys'>
  /** Null if the audit trail is turned off. */
  trail: Pick<TrailCheck, 'checkedAt' | 'problems'> | null
  clock: Pick<Clock, 'now'>
}

/** The state that one scrape reports. */
interface Scrape {
  backlog: readonly BacklogCount[]
  /** Only tenants in use: those with an open connection or a backlog. */
  inUse: readonly { tenant: string; status: TenantStatus }[]
  opened: readonly HttpQlikTenant[]
  /** Null if unknown. */
  freeBytes: number | null
  /** Of the configured receivers. */
  receivers: readonly ReceiverBacklog[]
}

type Fill<Label extends string> = (
  set: (labels: LabelValues<Label>, value: number) => void,
  scrape: Scrape,
) => void

/** Gauges that each scrape fills. Their values of the previous scrape are removed first. */
class Gauges {
  readonly #registry: Registry
  readonly #fills: ((scrape: Scrape) => void)[] = []

  constructor(registry: Registry) {
    this.#registry = registry
  }

  add<Label extends string>(name: string, help: string, labelNames: Label[], fill: Fill<Label>): void {
    const gauge = new Gauge({ name, help, labelNames, registers: [this.#registry] })
    this.#fills.push((scrape) => {
      gauge.reset()
      fill((labels, value) => gauge.set(labels, value), scrape)
    })
  }

  /** A gauge without labels. */
  addValue(name: string, help: string, read: (scrape: Scrape) => number): void {
    const gauge = new Gauge({ name, help, registers: [this.#registry] })
    this.#fills.push((scrape) => gauge.set(read(scrape)))
  }

  fill(scrape: Scrape): void {
    for (const fill of this.#fills) fill(scrape)
  }
}

/** Registers the gauges. Returns a function that updates them; call it before each scrape is written. */
export function createGauges(registry: Registry, options: GaugeOptions): () => Promise<void> {
  const { store, tenants, estimates } = options
  const gauges = new Gauges(registry)
  addBacklog(gauges, options)
  addLimits(gauges, options)
  addDeprecations(gauges, options)
  addKeys(gauges, options)
  addStorage(gauges, options)
  addReceivers(gauges, options)

  return async () => {
    const [backlog, freeBytes = null] = await Promise.all([
      store.backlog(),
      store.freeBytes?.(),
      tenants.refreshBudgets(),
      estimates.refresh(),
    ])
    const receivers = receiversOf(options)
    const opened = [...tenants.opened()]
    const names = new Set([...opened.map(({ name }) => name), ...backlog.map(({ tenant }) => tenant)])
    const inUse = [...names].map((tenant) => ({ tenant, status: estimates.statusOf(tenant) }))
    gauges.fill({ backlog, inUse, opened, freeBytes, receivers })
  }
}

/** 0 for null. */
function secondsSince(at: number | null, clock: Pick<Clock, 'now'>): number {
  return at === null ? 0 : Math.max(0, clock.now() - at) / 1000
}

function addBacklog(gauges: Gauges, { clock }: GaugeOptions): void {
  const secondsUntil = (at: number | null) => (at === null ? 0 : Math.max(0, at - clock.now()) / 1000)
  gauges.add(
    'curfew_backlog',
    'Revocations that are queued, running or held.',
    ['tenant', 'status'],
    (set, { inUse, backlog }) => {
      for (const { tenant } of inUse) {
        set({ tenant, status: 'queued' }, 0)
        set({ tenant, status: 'running' }, 0)
      }
      for (const { tenant, status, count } of backlog) set({ tenant, status }, count)
    },
  )
  gauges.add(
    'curfew_backlog_completion_seconds',
    'Expected time until no revocation of the tenant is queued or running; 0 if none is, +Inf if none can proceed.',
    ['tenant'],
    (set, { inUse }) => {
      for (const { tenant, status } of inUse) {
        const isStuck = status.unended > 0 && status.emptyAt === null
        set({ tenant }, isStuck ? Number.POSITIVE_INFINITY : secondsUntil(status.emptyAt))
      }
    },
  )
  gauges.add(
    'curfew_oldest_queued_seconds',
    'Time since the oldest queued revocation was accepted; 0 if none is queued.',
    ['tenant'],
    (set, { inUse }) => {
      for (const { tenant, status } of inUse) set({ tenant }, secondsSince(status.oldestQueuedAt, clock))
    },
  )
  gauges.add(
    'curfew_blocked_seconds',
    'Time until a client of the tenant can make each kind of call again, if 429 responses of Qlik Cloud block all clients; otherwise 0.',
    ['tenant'],
    (set, { inUse }) => {
      for (const { tenant, status } of inUse) set({ tenant }, secondsUntil(status.blockedUntil))
    },
  )
}

function addLimits(gauges: Gauges, { tenants }: GaugeOptions): void {
  gauges.add(
    'curfew_budget_remaining',
    'Calls that can be made now within the rate limits of Qlik Cloud.',
    ['tenant', 'client', 'tier'],
    (set, { opened }) => {
      for (const { name: tenant, pool } of opened)
        for (const { clientId: client, budget } of pool.clients)
          for (const tier of TIERS) set({ tenant, client, tier: String(tier) }, budget.remaining(tier))
    },
  )
  gauges.add(
    'curfew_qlik_blocked_until_timestamp_seconds',
    'Time until which Qlik Cloud has blocked calls with a 429 response; 0 if it has not.',
    ['tenant', 'client', 'tier'],
    (set, { opened }) => {
      for (const { name: tenant, pool } of opened)
        for (const { clientId: client } of pool.clients)
          for (const tier of TIERS) {
            const until = tenants.clientBlockedUntil(tenant, client, tier)
            set({ tenant, client, tier: String(tier) }, (until ?? 0) / 1000)
          }
    },
  )
  gauges.add(
    'curfew_qlik_client_refused',
    'Set to 1 for each OAuth client that is not used, because Qlik Cloud refuses it or it lacks its role or scope; otherwise 0.',
    ['tenant', 'client'],
    (set, { opened }) => {
      for (const { name: tenant, pool } of opened)
        for (const client of pool.clients)
          set({ tenant, client: client.clientId }, classOf(client) === 'out' ? 1 : 0)
    },
  )
  gauges.add(
    'curfew_qlik_learned_limit',
    "Calls per window that all clients of a tenant make together, because Qlik Cloud refused a call although the client's limit was not reached; 0 if no such limit is in force.",
    ['tenant', 'tier'],
    ofEachTier((tenant, tier) => tenants.learnedLimit(tenant, tier)),
  )
  gauges.add(
    'curfew_qlik_minute_limit',
    'Calls per minute that each client of a tenant makes, because Qlik Cloud applies its rate limit to each minute; 0 if it applies to five minutes.',
    ['tenant', 'tier'],
    ofEachTier((tenant, tier) => tenants.minuteLimit(tenant, tier)),
  )
}

/** A limit of each tier of the open tenants; 0 if there is none. */
function ofEachTier(limitOf: (tenant: string, tier: Tier) => number | null): Fill<'tenant' | 'tier'> {
  return (set, { opened }) => {
    for (const { name: tenant } of opened)
      for (const tier of TIERS) set({ tenant, tier: String(tier) }, limitOf(tenant, tier) ?? 0)
  }
}

function addDeprecations(gauges: Gauges, { deprecations }: GaugeOptions): void {
  gauges.add(
    'curfew_qlik_deprecated',
    'Set to 1 for each deprecated Qlik Cloud endpoint that Curfew calls, based on responses of the last day.',
    ['tenant', 'route'],
    (set) => {
      for (const tenant of deprecations.tenants())
        for (const { route } of deprecations.of(tenant)) set({ tenant, route }, 1)
    },
  )
}

function addKeys(gauges: Gauges, { senders, clock }: GaugeOptions): void {
  gauges.add(
    'curfew_api_keys',
    'API keys that are valid, those of them that expire within 14 days, and those that have expired.',
    ['state'],
    (set) => {
      const keys = senders.apiKeys()
      const { soon, expired } = expiringKeys(keys, clock.now())
      set({ state: 'valid' }, keys.length - expired.length)
      set({ state: 'expiring' }, soon.length)
      set({ state: 'expired' }, expired.length)
    },
  )
}

function addStorage(gauges: Gauges, { store, trail }: GaugeOptions): void {
  if (store.freeBytes)
    gauges.addValue(
      'curfew_disk_free_bytes',
      'Free space where the SQLite database is; NaN if it cannot be read.',
      ({ freeBytes }) => freeBytes ?? Number.NaN,
    )
  if (!trail) return
  gauges.addValue(
    'curfew_audit_trail_damaged_chains',
    'Chains of the audit trail in which the background check has found a problem.',
    () => trail.problems.length,
  )
  gauges.addValue(
    'curfew_audit_trail_checked_timestamp_seconds',
    'Time of the last complete check of the audit trail; 0 if none is complete.',
    () => (trail.checkedAt ?? 0) / 1000,
  )
}

/** As the part has counted it: a scrape must not read a long table. */
function receiversOf({ notifications, outbox }: GaugeOptions): ReceiverBacklog[] {
  const backlog = notifications?.backlog() ?? []
  const none = { pending: 0, failed: 0, oldestPendingAt: null }
  return outbox
    .receivers()
    .map(({ name }) => backlog.find(({ receiver }) => receiver === name) ?? { receiver: name, ...none })
}

function addReceivers(gauges: Gauges, { clock }: GaugeOptions): void {
  gauges.add(
    'curfew_notifications_pending',
    'Notifications that are not delivered yet, counted once a minute up to 10,000.',
    ['receiver'],
    (set, { receivers }) => {
      for (const { receiver, pending } of receivers) set({ receiver }, pending)
    },
  )
  gauges.add(
    'curfew_notifications_oldest_pending_seconds',
    'Time for which the oldest notification that is not delivered yet has been waiting; 0 if all are.',
    ['receiver'],
    (set, { receivers }) => {
      for (const { receiver, oldestPendingAt: at } of receivers) set({ receiver }, secondsSince(at, clock))
    },
  )
}
