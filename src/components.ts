import type { FastifyPluginAsync } from 'fastify'
import type { Clock } from './base/clock.ts'
import { CurfewError } from './base/errors.ts'
import type { Log } from './base/log.ts'
import type { Config } from './config/load-config.ts'
import type { DashboardOptions } from './dashboard/dashboard.ts'
import { LastRequests } from './http/last-requests.ts'
import { createRejectionAudit } from './http/rejection-audit.ts'
import { type Rejection, rejectionOfEvents } from './http/rejections.ts'
import { createReportRejection } from './http/report-rejection.ts'
import { Senders } from './http/senders.ts'
import type { NotificationsPart } from './notifications/part.ts'
import { Deprecations } from './qlik/deprecations.ts'
import { outlookOf, tierOf } from './qlik/outlook.ts'
import { Tenants } from './qlik/tenants.ts'
import { createAccept } from './revocation/accept.ts'
import { Recorder } from './revocation/audit/recorder.ts'
import { BrakeLog } from './revocation/brake-log.ts'
import { createDryRun } from './revocation/dry-run.ts'
import { Estimates } from './revocation/estimates.ts'
import { userKey } from './revocation/keys.ts'
import { createKnowsUser } from './revocation/knows-user.ts'
import { LateTimes } from './revocation/late-times.ts'
import type { ReceiversConfig } from './revocation/notification.ts'
import { Outbox } from './revocation/outbox.ts'
import type { Tracing } from './revocation/tracing.ts'
import { Waiters } from './revocation/waiters.ts'
import { createFindWait } from './revocation/waiting-for.ts'
import { Worker } from './revocation/worker.ts'
import type { Metrics } from './routes/metrics.ts'
import type { SourcePart } from './sources/common/part.ts'
import { Sources } from './sources/sources.ts'
import { openStore } from './stores/open-store.ts'
import type { StorePart } from './stores/store.ts'
import type { TelemetryPart } from './telemetry/telemetry.ts'

/** The optional parts of the service: see `parts.ts`. */
export interface Parts {
  /** Stores in addition to SQLite. */
  stores?: readonly StorePart[]
  /** Protocols of identity providers and other services, which entries of CONFIG_FILE configure. */
  sources?: readonly SourcePart[]
  /** The pages for operators. */
  dashboard?: FastifyPluginAsync<DashboardOptions>
  /** Notifies the receivers of CONFIG_FILE. */
  notifications?: NotificationsPart
  /** Traces for an OpenTelemetry collector. */
  telemetry?: TelemetryPart
}

export interface ComponentOptions {
  parts: Parts
  metrics: Metrics
  clock: Clock
  random: () => number
  tracing: Tracing
  log: Log & { debug(details: object, message: string): void }
}

/**
 * Creates every component of the service, in the order in which a logout passes them, and connects them.
 * @throws CURFEW_STORE_LOCKED, CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export async function createComponents(
  config: Config,
  { parts, metrics, clock, random, tracing, log }: ComponentOptions,
) {
  requireNotifications(parts, config.receivers)
  const outbox = new Outbox()
  const store = await openStore(config.databaseUrl, parts.stores ?? [], {
    connections: config.databaseConnections,
    audit: config.auditRetentionDays > 0,
    clock,
    log,
    massRevocation: config.massRevocation,
    outbox,
  })
  const deprecations = new Deprecations({ clock, log })
  const tenants = new Tenants(config.tenants, {
    permits: store.permits,
    clock,
    log,
    onCall: (tenant, call) => {
      metrics.qlikCall(tenant, call)
      deprecations.note(tenant, call)
    },
  })
  const last = new LastRequests(clock)
  const recorder = new Recorder({ audit: store.audit, clock, log })
  const notifications = parts.notifications?.({
    ...{ store: store.notifications, outbox, recorder, clock, random, tracing, log },
    onAttempt: metrics.notified,
  })
  notifications?.replace(config.receivers)
  const receivers = {
    replace(config: ReceiversConfig): void {
      requireNotifications(parts, config)
      notifications?.replace(config)
    },
  }
  const reportRejection = createReportRejection({ clock, log, last, count: metrics.rejected })
  const auditRejection = createRejectionAudit(recorder)
  const onRejected = (rejection: Rejection) => {
    reportRejection(rejection)
    auditRejection(rejection)
    notifications?.noteRejection(rejection)
  }
  const senders = new Senders(config.senders, { clock, log, refused: metrics.refused })
  const waiters = new Waiters(store, clock)
  const estimates = new Estimates({
    store,
    clock,
    log,
    outlook: (tenant) => outlookOf(tenants, tenant, clock),
    failing: (tenant) => worker.hindranceOf(tenant),
    remainingOf: (id) => worker.remainingOf(id),
  })
  const worker = new Worker({
    store,
    tenants,
    clock,
    log,
    random,
    tracing,
    // Twice the number of calls in flight: some runs list while others revoke.
    runsPerTenant: () => 2 * tenants.highestConcurrency,
    allowance: (tenant) => tenants.ifOpen(tenant)?.pool.allowance() ?? null,
    onEnded: (revocation) => {
      metrics.ended(revocation)
      estimates.noteEnded(revocation)
      waiters.notify(userKey(revocation.tenant, revocation.user))
    },
    onConfirmed: (revocation) => {
      metrics.settled(revocation, clock.now())
      waiters.notify(userKey(revocation.tenant, revocation.user))
    },
    onEndedElsewhere: (key) => waiters.notify(key),
  })
  const lateTimes = new LateTimes({ store, tenants, clock, log })
  const brakeLog = new BrakeLog({ limits: config.massRevocation, clock, log })
  const accept = createAccept({
    store,
    tenants,
    clock,
    tracing,
    onAccepted: (signals, accepted, origin) => {
      const { revocations, replayed } = accepted
      if (!replayed) lateTimes.note(revocations)
      for (const [index, { source }] of signals.entries()) {
        if (!replayed && revocations[index]?.status === 'held') metrics.held(source)
        metrics.signal(source, replayed ? 'replayed' : 'accepted')
      }
      brakeLog.note(accepted, origin)
      worker.wake()
    },
  })
  const findWait = createFindWait({
    hindranceOf: (tenant) => estimates.hindranceOf(tenant),
    blockedUntil: (tenant, calls) => tenants.blockedUntil(tenant, tierOf(calls)),
    usedUpUntil: (tenant, calls) => tenants.ifOpen(tenant)?.pool.usedUpUntil(tierOf(calls)) ?? null,
  })
  const sources = new Sources(parts.sources ?? [], config.sources, {
    accept,
    tenants,
    clock,
    random,
    log,
    onIgnored: (source, events) => metrics.signal(source, 'ignored', events),
    onRejected: (events) => onRejected(rejectionOfEvents(events)),
    onAccepted: last.accepted,
    findSession: store.findSession,
    isReplay: store.isReplay,
    knowsUser: createKnowsUser({ tenants, clock }),
  })
  const dryRun = createDryRun({ tenants, audit: store.audit, clock })
  return {
    store,
    tenants,
    deprecations,
    last,
    recorder,
    outbox,
    notifications,
    receivers,
    onRejected,
    senders,
    waiters,
    estimates,
    worker,
    lateTimes,
    brakeLog,
    accept,
    findWait,
    sources,
    dryRun,
  }
}

/** @throws CURFEW_CONFIG_INVALID if there are receivers, but nothing that notifies them */
function requireNotifications({ notifications }: Parts, { list }: ReceiversConfig): void {
  if (!notifications && list.length > 0)
    throw new CurfewError('CURFEW_CONFIG_INVALID', 'CONFIG_FILE /receivers: this build has no notifications')
}
