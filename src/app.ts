import type { FastifyInstance } from 'fastify'
import { type Clock, systemClock } from './base/clock.ts'
import type { LogStream } from './base/log.ts'
import { createComponents, type Parts } from './components.ts'
import type { Config, Reloadable } from './config/load-config.ts'
import ambiguousRequests from './http/ambiguous-requests.ts'
import authenticate from './http/authenticate.ts'
import lifecycle from './http/lifecycle.ts'
import limits from './http/limits.ts'
import operators, { OperatorsListener } from './http/operators.ts'
import overload, { type MemoryUse, processMemory } from './http/overload.ts'
import privateResponses from './http/private-responses.ts'
import problems from './http/problems.ts'
import rejections from './http/rejections.ts'
import { sendersVisibleTo } from './http/sender-views.ts'
import { createServer } from './http/server.ts'
import strictRoutes from './http/strict-routes.ts'
import { EventFeed } from './revocation/audit/event-feed.ts'
import { startSigning } from './revocation/audit/signing.ts'
import { TrailCheck } from './revocation/audit/trail-check.ts'
import { startRetention } from './revocation/retention.ts'
import { Statistics } from './revocation/statistics/statistics.ts'
import { UNTRACED } from './revocation/tracing.ts'
import audit from './routes/audit.ts'
import auditCheck from './routes/audit-check.ts'
import backups from './routes/backups.ts'
import batches from './routes/batches.ts'
import bulk from './routes/bulk.ts'
import documentation from './routes/documentation.ts'
import erasures from './routes/erasures.ts'
import events from './routes/events.ts'
import failures from './routes/failures.ts'
import health from './routes/health.ts'
import held from './routes/held.ts'
import key from './routes/key.ts'
import logoutHook from './routes/logout-hook.ts'
import metricsRoute, { createMetrics } from './routes/metrics.ts'
import reload, { logWarnings } from './routes/reload.ts'
import retry from './routes/retry.ts'
import revocations from './routes/revocations.ts'
import revokeAll from './routes/revoke-all.ts'
import sendersRoute from './routes/senders.ts'
import sessions from './routes/sessions.ts'
import statisticsRoute from './routes/statistics.ts'
import status from './routes/status.ts'
import suggestions from './routes/suggestions.ts'
import timeline from './routes/timeline.ts'
import type { Telemetry } from './telemetry/telemetry.ts'

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
  /** Traces; none by default. It is not stopped with the service. */
  telemetry?: Telemetry | null
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
    telemetry = null,
    loopDelay,
    memory = processMemory(config.memoryLimitMb * 1024 * 1024),
  } = options
  const metrics = createMetrics()
  const listener = config.operators && new OperatorsListener(config.operators)
  const app = createServer({
    ...{ ...config, listener, logStream, clock },
    logFields: telemetry?.logFields,
    refused: metrics.refused,
  })
  logWarnings(app.log, config)
  const components = await createComponents(config, {
    ...{ parts, metrics, clock, random },
    tracing: telemetry?.tracing ?? UNTRACED,
    log: app.log,
  })
  const { store, tenants, senders, sources, worker, waiters, estimates } = components
  const { outbox, notifications, receivers } = components
  const { deprecations, last, recorder, accept, findWait, dryRun, onRejected } = components
  const inbound = { accept, waiters, estimate: estimates.estimate, findWait, dryRun, tenants, outbox, clock }

  // Receive
  await telemetry?.instrument(app)
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
  const trail =
    config.auditRetentionDays > 0 ? new TrailCheck({ audit: store.audit, clock, log: app.log }) : null
  let stopSigning = () => {}
  let stopRetention = () => {}
  app.addHook('onReady', async () => {
    await tenants.start()
    await worker.start()
    sources.start()
    senders.start()
    stopSigning = startSigning({ ...config, audit: store.audit, clock, log: app.log })
    stopRetention = startRetention({ ...config, store, clock, log: app.log })
    trail?.start()
    notifications?.start()
  })

  // Report
  await app.register(revocations, {
    ...{ store, waiters, estimates, findWait, tenants, clock },
    wake: worker.wake,
    onWithdrawn: worker.withdraw,
  })
  await app.register(failures, { store, clock })
  await app.register(batches, { store, estimates, tenants })
  await app.register(key, { senders, brake: config.massRevocation })
  await app.register(status, { estimates, tenants, clock })
  const statistics = new Statistics({ store, clock, log: app.log })
  await app.register(statisticsRoute, { statistics, tenants, clock })
  await app.register(retry, { store, wake: worker.wake, tenants, clock })
  await app.register(held, {
    ...{ store, waiters, tenants, clock },
    wake: worker.wake,
    onWithdrawn: worker.withdraw,
  })
  const senderOptions = { senders, sources, last, tenants }
  await app.register(health, {
    store,
    tenants,
    deprecations,
    sources,
    senders,
    trail,
    notifications,
    viewSenders: (sender) => sendersVisibleTo(sender, senderOptions),
    clock,
    isStopping: app.lifecycle.isStopping,
    isClaimFailing: worker.isFailing,
  })
  await app.register(metricsRoute, {
    ...{ metrics, store, tenants, estimates, deprecations, senders, sources, trail, outbox, clock },
    ...{ notifications },
  })
  const isAudited = config.auditRetentionDays > 0
  await app.register(sendersRoute, { ...senderOptions, audit: store.audit, isAudited, clock })
  await app.register(suggestions, senderOptions)
  await app.register(audit, { audit: store.audit })
  await app.register(auditCheck, { trail })
  await app.register(timeline, { store, audit: store.audit })
  const feed = new EventFeed({ audit: store.audit, clock, log: app.log })
  await app.register(events, { feed, isOn: isAudited, clock })
  await app.register(erasures, { audit: store.audit, tenants, clock })

  // Change the configuration
  await app.register(reload, {
    ...{ load, initial: config, tenants, senders, sources, receivers, recorder, log: app.log },
  })

  // Notify
  if (notifications) await app.register(notifications.routes)

  if (store.backup) await app.register(backups, { backup: store.backup, recorder, log: app.log })

  if (parts.dashboard) {
    const hasKeys = () => senders.apiKeys().length > 0
    const { dashboardSecret: secret, isDashboardReadOnly: isReadOnly } = config
    await app.register(parts.dashboard, { secret, isReadOnly, hasKeys, clock })
  }

  let stopped = Promise.resolve<unknown>(undefined)
  app.addHook('preClose', async () => {
    stopSigning()
    stopRetention()
    components.lateTimes.stop()
    components.brakeLog.stop()
    senders.stop()
    const runs = worker.stop()
    const reading = [trail?.stop(), statistics.stop()]
    stopped = Promise.all([runs, tenants.stop(), sources.stop(), ...reading, listener?.close()])
    waiters.close()
  })
  app.addHook('onClose', async () => {
    await stopped
    await notifications?.stop()
    await recorder.flushed()
    await store.close()
  })
  return app
}
