import type { FastifyInstance } from 'fastify'
import { type Clock, systemClock } from './base/clock.ts'
import type { LogStream } from './base/log.ts'
import type { Config, Reloadable } from './config/load-config.ts'
import ambiguousRequests from './http/ambiguous-requests.ts'
import authenticate from './http/authenticate.ts'
import { LastRequests } from './http/last-requests.ts'
import lifecycle from './http/lifecycle.ts'
import limits from './http/limits.ts'
import operators, { OperatorsListener } from './http/operators.ts'
import overload, { type MemoryUse, processMemory } from './http/overload.ts'
import privateResponses from './http/private-responses.ts'
import problems from './http/problems.ts'
import { createRejectionAudit } from './http/rejection-audit.ts'
import rejections, { type Rejection, rejectionOfEvents } from './http/rejections.ts'
import { createReportRejection } from './http/report-rejection.ts'
import { sendersVisibleTo } from './http/sender-views.ts'
import { Senders } from './http/senders.ts'
import { createServer } from './http/server.ts'
import strictRoutes from './http/strict-routes.ts'
import { Deprecations } from './qlik/deprecations.ts'
import { outlookOf, tierOf } from './qlik/outlook.ts'
import { Tenants } from './qlik/tenants.ts'
import { createAccept } from './revocation/accept.ts'
import { Recorder } from './revocation/audit/recorder.ts'
import { createSignDaily } from './revocation/audit/sign-daily.ts'
import { BrakeLog } from './revocation/brake-log.ts'
import { createDryRun } from './revocation/dry-run.ts'
import { Estimates } from './revocation/estimates.ts'
import { FailingTenants } from './revocation/failing-tenants.ts'
import { userKey } from './revocation/keys.ts'
import { createKnowsUser } from './revocation/knows-user.ts'
import { LateTimes } from './revocation/late-times.ts'
import { startRetention } from './revocation/retention.ts'
import { Waiters } from './revocation/waiters.ts'
import { createFindWait } from './revocation/waiting-for.ts'
import { Worker } from './revocation/worker.ts'
import audit from './routes/audit.ts'
import backups from './routes/backups.ts'
import bulk from './routes/bulk.ts'
import documentation from './routes/documentation.ts'
import erasures from './routes/erasures.ts'
import health from './routes/health.ts'
import held from './routes/held.ts'
import logoutHook from './routes/logout-hook.ts'
import metricsRoute, { createMetrics } from './routes/metrics.ts'
import reload, { logWarnings } from './routes/reload.ts'
import revocations from './routes/revocations.ts'
import revokeAll from './routes/revoke-all.ts'
import sessions from './routes/sessions.ts'
import status from './routes/status.ts'
import type { SourcePart } from './sources/common/part.ts'
import { Sources } from './sources/sources.ts'
import { openStore } from './stores/open-store.ts'
import type { StorePart } from './stores/store.ts'

/** The optional parts of the service: see `parts.ts`. */
export interface Parts {
  /** Stores in addition to SQLite. */
  stores?: readonly StorePart[]
  /** Protocols of identity providers and other services, which entries of CONFIG_FILE configure. */
  sources?: readonly SourcePart[]
}

export interface AppOptions {
  /** None by default. */
  parts?: Parts
  /** Reads the configuration for a reload. By default a reload changes nothing. */
  load?: () => Promise<Reloadable>
  clock?: Clock
  /** A number from 0 up to 1, for the jitter of backoffs. */
  random?: () => number
  /** Receives the log instead of standard output. */
  logStream?: LogStream
  /** Memory in use, and its limits; by default of this process. */
  memory?: () => MemoryUse[]
  /** Median delay of the event loop in ms since the last call; by default of this process. */
  loopDelay?: () => number | null
}

/**
 * The whole service, ready to listen. The order is the path of a logout: receive, authenticate, accept, answer,
 * then claim, list, revoke, verify, report. Closing it answers requests in flight, stops claiming, returns unfinished
 * runs to the queue, and closes the database.
 * @throws CURFEW_STORE_LOCKED, CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export async function buildApp(config: Config, options: AppOptions = {}): Promise<FastifyInstance> {
  const {
    parts = {},
    load = async () => config,
    clock = systemClock,
    random = Math.random,
    logStream,
    loopDelay,
    memory = processMemory(config.memoryLimitMb * 1024 * 1024),
  } = options
  const metrics = createMetrics()
  const listener = config.operators && new OperatorsListener(config.operators)
  const app = createServer({ ...config, listener, logStream, clock, refused: metrics.refused })
  logWarnings(app.log, config)
  const store = await openStore(config.databaseUrl, parts.stores ?? [], {
    connections: config.databaseConnections,
    audit: config.auditRetentionDays > 0,
    clock,
    log: app.log,
    massRevocation: config.massRevocation,
  })
  const deprecations = new Deprecations({ clock, log: app.log })
  const tenants = new Tenants(config.tenants, {
    permits: store.permits,
    clock,
    log: app.log,
    onCall: (tenant, call) => {
      metrics.qlikCall(tenant, call)
      deprecations.note(tenant, call)
    },
  })
  const last = new LastRequests(clock)
  const recorder = new Recorder({ audit: store.audit, clock, log: app.log })
  const reportRejection = createReportRejection({ clock, log: app.log, last, count: metrics.rejected })
  const auditRejection = createRejectionAudit(recorder)
  const onRejected = (rejection: Rejection) => {
    reportRejection(rejection)
    auditRejection(rejection)
  }
  const senders = new Senders(config.senders, { clock, log: app.log, refused: metrics.refused })
  const waiters = new Waiters(store, clock)
  const failing = new FailingTenants()
  const estimates = new Estimates({
    store,
    clock,
    log: app.log,
    outlook: (tenant) => outlookOf(tenants, tenant, clock),
    failing: (tenant) => failing.hindranceOf(tenant),
    remainingOf: (id) => worker.remainingOf(id),
  })
  const worker = new Worker({
    store,
    tenants,
    clock,
    log: app.log,
    random,
    // Twice the number of calls in flight: some runs list while others revoke.
    runsPerTenant: () => 2 * tenants.highestConcurrency,
    allowance: (tenant) => tenants.ifOpen(tenant)?.pool.allowance() ?? null,
    onAttempt: (tenant, failure) => failing.note(tenant, failure),
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
  const lateTimes = new LateTimes({ store, tenants, clock, log: app.log })
  const brakeLog = new BrakeLog({ limits: config.massRevocation, clock, log: app.log })
  const accept = createAccept({
    store,
    tenants,
    clock,
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
  const { estimate } = estimates
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
    log: app.log,
    onIgnored: (source, events) => metrics.signal(source, 'ignored', events),
    onRejected: (events) => onRejected(rejectionOfEvents(events)),
    onAccepted: last.accepted,
    findSession: store.findSession,
    isReplay: store.isReplay,
    knowsUser: createKnowsUser({ tenants, clock }),
  })
  const dryRun = createDryRun({ tenants, audit: store.audit, clock })
  const inbound = { accept, waiters, estimate, findWait, dryRun, tenants, clock }

  // Receive
  await app.register(lifecycle)
  await app.register(problems)
  await app.register(rejections, {
    onRejected,
    onAccepted: last.accepted,
    isSource: (name) => sources.has(name),
  })
  await app.register(privateResponses)
  await app.register(operators, { listener })
  await app.register(overload, { memory, loopDelay, clock, refused: metrics.refused })
  await app.register(limits, { perMinute: config.maxFailedAuthentications, clock, refused: metrics.refused })
  await app.register(ambiguousRequests)
  await app.register(documentation)

  // Authenticate
  await app.register(authenticate, { senders })
  await app.register(strictRoutes)

  // Identify, accept, answer
  await app.register(logoutHook, inbound)
  await app.register(revokeAll, inbound)
  await app.register(bulk, inbound)
  await app.register(sources.routes)
  await app.register(sessions, { store, tenants, clock, sessionSources: sources.sessions })

  // Claim, list, revoke, verify
  let stopRetention = () => {}
  app.addHook('onReady', async () => {
    await tenants.start()
    await worker.start()
    sources.start()
    senders.start()
    const { auditSigningKey: key } = config
    const signDaily = key === null ? null : createSignDaily({ audit: store.audit, key, log: app.log })
    stopRetention = startRetention({ ...config, store, signDaily, clock, log: app.log })
  })

  // Report
  await app.register(revocations, { store, waiters, estimates, findWait, wake: worker.wake, clock })
  await app.register(status, { estimates, tenants, clock })
  await app.register(held, { store, waiters, wake: worker.wake, clock })
  await app.register(health, {
    store,
    tenants,
    deprecations,
    sources,
    senders,
    viewSenders: (sender) => sendersVisibleTo(sender, { senders, sources, last, tenants }),
    clock,
    isStopping: app.lifecycle.isStopping,
    isClaimFailing: worker.isFailing,
  })
  await app.register(metricsRoute, { metrics, store, tenants, estimates, deprecations, clock })
  await app.register(audit, { audit: store.audit })
  await app.register(erasures, { audit: store.audit, tenants, clock })

  // Change the configuration
  await app.register(reload, { load, initial: config, tenants, senders, sources, recorder, log: app.log })

  if (store.backup) await app.register(backups, { backup: store.backup, recorder, log: app.log })

  let stopped = Promise.resolve<unknown>(undefined)
  app.addHook('preClose', async () => {
    stopRetention()
    lateTimes.stop()
    brakeLog.stop()
    senders.stop()
    const runs = worker.stop()
    stopped = Promise.all([runs, tenants.stop(), sources.stop(), listener?.close()])
    waiters.close()
  })
  app.addHook('onClose', async () => {
    await stopped
    await recorder.flushed()
    await store.close()
  })
  return app
}
