import type { FastifyReply, FastifyRequest } from 'fastify'
import { authenticate } from './bearer.ts'
import type { RouteName, SandboxCall } from './call-log.ts'
import type { Delays } from './delays.ts'
import { VERSION_HEADER } from './deprecations.ts'
import { answerInstead, spoil, strikesFirst } from './fault-answers.ts'
import type { FaultSpec } from './faults.ts'
import { httpDate } from './http-date.ts'
import { rateLimitError } from './rate-limit-error.ts'
import type { Tier } from './rate-limiter.ts'
import type { Tenant } from './tenant.ts'

/** Name of the request decorator with its `Passage`. */
export const PASSAGE = 'sandboxPassage'

/** State of a call in the gate. */
export interface Passage {
  call: SandboxCall
  /** The fault that will corrupt the response. */
  fault: FaultSpec | null
}

/** Returns the user whose rate limit a call counts against; null if unknown. May throw an `ApiError`. */
export type Identify = (request: FastifyRequest) => string | null

export type Gate = ReturnType<typeof createGate>

/**
 * Fastify hooks that every call to the tenant passes, in this order: call log, latency, authentication, rate limit, ordered
 * fault; then the handler of the route; then the fault, if it lets the call take effect first.
 */
export function createGate(tenant: Tenant, delays: Delays) {
  const bearer: Identify = (request) => authenticate(tenant, request).userId

  return (route: RouteName, tier: Tier, identify = bearer) => ({
    async onRequest(request: FastifyRequest, reply: FastifyReply) {
      const call = recordCall(tenant, request, reply, route, tier)
      request.setDecorator<Passage>(PASSAGE, { call, fault: null })
      setDate(tenant, reply)
      if (tenant.settings.rateLimitHeaders) setRateLimit(tenant, reply, tier)
      reply.headers(tenant.deprecations.headersFor(route, call.apiVersion))
      if (tenant.settings.latencyMs > 0) await delays.wait(tenant.settings.latencyMs)
    },

    async preHandler(request: FastifyRequest, reply: FastifyReply) {
      const passage = request.getDecorator<Passage>(PASSAGE)
      const { call } = passage
      call.userId = identify(request)
      if (call.userId !== null) countCall(tenant, call.userId, tier)
      const fault = tenant.faults.take(route, request.method, idIn(request))
      if (fault === null) return
      call.fault = fault.kind
      if (strikesFirst(fault)) throw await answerInstead(fault, { tenant, delays, call, request, reply })
      passage.fault = fault
    },

    async onSend(request: FastifyRequest, reply: FastifyReply, payload: unknown) {
      const { call, fault } = request.getDecorator<Passage>(PASSAGE)
      chargeNotFound(tenant, call, reply)
      await tenant.log.leaving(call)
      return fault === null ? payload : spoil(fault, { tenant, delays, call, request, reply }, payload)
    },
  })
}

/** The token or user in the path, or the user whose tokens are listed. */
function idIn({ params, query }: FastifyRequest): string | null {
  const id: unknown = Object(params).id ?? Object(query).userId
  return typeof id === 'string' ? id : null
}

/** Adds a call to the call log, now and when it has ended. */
export function recordCall(
  tenant: Tenant,
  request: FastifyRequest,
  reply: FastifyReply,
  route: RouteName,
  tier: Tier | null,
): SandboxCall {
  const { method, url: path } = request
  const at = tenant.settings.now()
  const apiVersion = request.headers[VERSION_HEADER]?.toString() ?? null
  const call: SandboxCall = {
    ...{ at, method, route, path, tier, apiVersion },
    ...{ status: null, userId: null, fault: null },
  }
  reply.raw.once('close', () => {
    if (reply.raw.writableFinished) call.status = reply.raw.statusCode
    tenant.log.answered(call)
  })
  tenant.log.arrived(call)
  return call
}

function countCall(tenant: Tenant, userId: string, tier: Tier): void {
  const seconds = tenant.limiter.take(userId, tier, tenant.settings.now())
  if (seconds > 0) throw rateLimitError(seconds, tenant.settings.retryAfter, tenant.now())
}

function chargeNotFound(tenant: Tenant, { route, userId, tier }: SandboxCall, reply: FastifyReply): void {
  if (route !== 'revoke' || reply.statusCode !== 404 || userId === null || tier === null) return
  tenant.limiter.charge(userId, tier, tenant.settings.now(), tenant.settings.notFoundCost - 1)
}

/** As in draft-ietf-httpapi-ratelimit-headers-05. */
function setRateLimit({ settings }: Tenant, reply: FastifyReply, tier: Tier): void {
  const limit = tier === 1 ? settings.tier1Limit : settings.tier2Limit
  const policy = `${limit};w=${settings.windowMs / 1000}`
  reply.headers({ 'ratelimit-limit': String(limit), 'ratelimit-policy': policy })
}

/** Sets the Date header to the tenant's time, unless the settings omit it. */
export function setDate(tenant: Tenant, reply: FastifyReply): void {
  const { dateHeader } = tenant.settings
  reply.raw.sendDate = dateHeader !== 'missing'
  if (dateHeader === 'sent') reply.header('date', httpDate(tenant.now()))
  if (dateHeader === 'unreadable') reply.header('date', 'soon')
}
