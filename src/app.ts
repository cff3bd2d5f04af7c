import Fastify, { type FastifyInstance, LogController } from 'fastify'
import { type Clock, systemClock } from './base/clock.ts'
import { loggerOptions } from './base/log.ts'
import type { Config, Reloadable } from './config/load-config.ts'
import authenticate from './http/authenticate.ts'
import lifecycle from './http/lifecycle.ts'
import problems, { refuseConnection, sendProblem } from './http/problems.ts'
import { Senders } from './http/senders.ts'
import strictRoutes from './http/strict-routes.ts'
import { validatorCompiler } from './http/validate.ts'
import type { Tier } from './qlik/budget/permit-log.ts'
import { Deprecations } from './qlik/deprecations.ts'
import { Tenants } from './qlik/tenants.ts'
import { createAccept } from './revocation/accept.ts'
import { createDryRun } from './revocation/dry-run.ts'
import { createEstimate } from './revocation/estimate.ts'
import { userKey } from './revocation/keys.ts'
import { createKnowsUser } from './revocation/knows-user.ts'
import { LateTimes } from './revocation/late-times.ts'
import { startRetention } from './revocation/retention.ts'
import { Waiters } from './revocation/waiters.ts'
import { createFindWait, type LimitedCalls } from './revocation/waiting-for.ts'
import { createWorker } from './revocation/worker.ts'
import bulk from './routes/bulk.ts'
import documentation from './routes/documentation.ts'
import health from './routes/health.ts'
import logoutHook from './routes/logout-hook.ts'
import metricsRoute, { createMetrics } from './routes/metrics.ts'
import reload, { logWarnings } from './routes/reload.ts'
import revocations from './routes/revocations.ts'
import revokeAll from './routes/revoke-all.ts'
import sessions from './routes/sessions.ts'
import backChannelLogout from './sources/back-channel-logout/route.ts'
import globalTokenRevocation from './sources/global-token-revocation/route.ts'
import { openSources } from './sources/open-sources.ts'
import securityEvents from './sources/shared-signals/route.ts'
import vendorWebhook from './sources/webhook/route.ts'
import { openStore } from './stores/open-store.ts'

export interface AppOptions {
  /** Reads the configuration anew; without it a reload finds the same one. */
  load?: () => Promise<Reloadable>
  clock?: Clock
  /** A number from 0 up to 1, for the jitter of backoffs. */
  random?: () => number
  /** Where the log goes instead of to standard output. */
  logStream?: { write(line: string): void }
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The way in that the route is, where it is one. */
    source?: string
  }
}

/**
 * The whole service, ready to listen. The order is the path of a logout: receive, authenticate, accept, answer,
 * then claim, list, revoke, verify, report. Closing it answers what is in flight, stops claiming, puts unfinished
 * runs back, and lets go of the database.
 * @throws CURFEW_STORE_LOCKED, CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export async function buildApp(config: Config, options: AppOptions = {}): Promise<FastifyInstance> {
  const { load = async () => config, clock = systemClock, random = Math.random, logStream } = options
  const app = createServer(config.logLevel, logStream)
  logWarnings(app.log, config)
  const metrics = createMetrics()
  const store = await openStore(config.databaseUrl, {
    connections: config.databaseConnections,
    clock,
    log: app.log,
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
  const senders = new Senders(config.senders)
  const waiters = new Waiters(store, clock)
  const worker = createWorker({
    store,
    tenants,
    clock,
    log: app.log,
    random,
    // Twice the calls in flight: while some runs list, others keep the revoking calls coming.
    runsPerTenant: () => 2 * tenants.highestConcurrency,
    onEnded: (revocation) => {
      metrics.ended(revocation)
      waiters.notify(userKey(revocation.tenant, revocation.user))
    },
    onConfirmed: (revocation) => {
      metrics.settled(revocation, clock.now())
      waiters.notify(userKey(revocation.tenant, revocation.user))
    },
    onEndedElsewhere: (key) => waiters.notify(key),
  })
  const lateTimes = new LateTimes({ store, tenants, clock, log: app.log })
  const accept = createAccept({
    store,
    tenants,
    clock,
    onAccepted: (signals, { revocations, replayed }) => {
      if (!replayed) lateTimes.note(revocations)
      for (const { source } of signals) metrics.signal(source, replayed ? 'replayed' : 'accepted')
      worker.wake()
    },
  })
  const estimate = createEstimate(
    (tenant, calls) => tenants.ifOpen(tenant)?.budget.estimate(2, calls) ?? null,
  )
  const findWait = createFindWait({
    blockedUntil: (tenant, calls) => tenants.blockedUntil(tenant, tierOf(calls)),
    usedUpUntil: (tenant, calls) => tenants.ifOpen(tenant)?.budget.usedUpUntil(tierOf(calls)) ?? null,
  })
  const fromSources = openSources(config.sources, {
    accept,
    tenants,
    clock,
    random,
    log: app.log,
    count: metrics.signal,
    findSession: store.findSession,
    knowsUser: createKnowsUser({ tenants, clock }),
  })
  const { sources, streams } = fromSources
  const dryRun = createDryRun({ tenants, clock })
  const inbound = { accept, waiters, estimate, findWait, dryRun, tenants, clock }

  // Receive
  await app.register(lifecycle)
  await app.register(problems)
  await app.register(documentation)
  app.addHook('onError', async (request) => {
    const source = request.routeOptions.config.source ?? request.sourceName
    if (source) metrics.signal(source, 'rejected')
  })

  // Authenticate
  await app.register(authenticate, { senders, clock })
  await app.register(strictRoutes)

  // Identify, accept, answer: one file for each way in
  await app.register(logoutHook, inbound)
  await app.register(revokeAll, inbound)
  await app.register(bulk, inbound)
  await app.register(backChannelLogout, fromSources)
  await app.register(vendorWebhook, fromSources)
  await app.register(globalTokenRevocation, fromSources)
  await app.register(securityEvents, fromSources)
  await app.register(sessions, { store, tenants, clock, sessionSources: fromSources.sessionSources })

  // Claim, list, revoke, verify
  let stopRetention = () => {}
  app.addHook('onReady', async () => {
    await tenants.start()
    await worker.start()
    fromSources.start()
    stopRetention = startRetention({ store, retentionDays: config.retentionDays, clock, log: app.log })
  })

  // Report
  await app.register(revocations, { store, waiters, estimate, findWait, wake: worker.wake, clock })
  await app.register(health, {
    store,
    tenants,
    deprecations,
    sources,
    streams,
    isStopping: app.lifecycle.isStopping,
    isClaimFailing: worker.isFailing,
  })
  await app.register(metricsRoute, { metrics, store, tenants, deprecations })

  // Change the configuration
  await app.register(reload, { load, tenants, senders, sources: fromSources, log: app.log })

  let stopped = Promise.resolve<unknown>(undefined)
  app.addHook('preClose', async () => {
    stopRetention()
    lateTimes.stop()
    const runs = worker.stop()
    stopped = Promise.all([runs, tenants.stop(), fromSources.stop()])
    waiters.close()
  })
  app.addHook('onClose', async () => {
    await stopped
    await store.close()
  })
  return app
}

function tierOf(calls: LimitedCalls): Tier {
  return calls === 'reads' ? 1 : 2
}

/** Fastify, with bounds against what is slow or too long; no routes yet. */
function createServer(logLevel: string, logStream: AppOptions['logStream']): FastifyInstance {
  const app = Fastify({
    logger: { ...loggerOptions(logLevel), ...(logStream ? { stream: logStream } : {}) },
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 64 * 1024,
    // Longer than any URL that Node lets through: the routes say how long an id may be, after authentication.
    routerOptions: { maxParamLength: 16_384 },
    // A slow sender is cut off; without the short interval Node would look only every 30 s.
    http: { headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 500 },
    requestTimeout: 10_000,
    clientErrorHandler: refuseConnection,
    frameworkErrors: sendProblem,
    // While closing, a request on a connection that is still open is served like any other: the store is open
    // until the last one is answered.
    return503OnClosing: false,
  })
  app.setValidatorCompiler(validatorCompiler)
  // The answers' types are those of the schemas, at compile time; parsing them again would be for nothing.
  app.setSerializerCompiler(() => JSON.stringify)
  return app
}
