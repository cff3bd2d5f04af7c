import type { FastifyReply, FastifyRequest } from 'fastify'
import { ApiError, errorBody, rateLimitBody, usersErrorBody } from './api-error.ts'
import type { RouteName, SandboxCall } from './call-log.ts'
import type { Delays } from './delays.ts'
import { endlessNext, hugeBody, trickledBody } from './fault-bodies.ts'
import type { FaultSpec } from './faults.ts'
import { rateLimitError } from './rate-limit-error.ts'
import type { Tenant } from './tenant.ts'

const JSON_TYPE = 'application/json; charset=utf-8'

/** Faults that replace the call's response. */
type Strike = Extract<FaultSpec, { takesEffect: boolean }>

/** Whether the fault applies before the call takes effect, not before its response is sent. */
export function strikesFirst(fault: FaultSpec): fault is Strike {
  return 'takesEffect' in fault && !fault.takesEffect
}

/** The call that a fault applies to. */
export interface Struck {
  tenant: Tenant
  delays: Delays
  call: SandboxCall
  request: FastifyRequest
  reply: FastifyReply
}

/** The response of the fault. Never settles for a fault without a response. */
export async function answerInstead(fault: Strike, struck: Struck): Promise<ApiError> {
  switch (fault.kind) {
    case 'reset':
      struck.request.raw.socket.resetAndDestroy()
      return endless()
    case 'hang':
      return endless()
    case 'redirect':
      return new ApiError(fault.status, null, { location: fault.location })
    case 'rate-limited':
      return rateLimited(fault, struck)
    case 'status':
      return new ApiError(
        fault.status,
        fault.body ?? documentedBody(fault.status, struck.call),
        fault.headers,
      )
  }
}

/** The payload that replaces the call's own, after the call has taken effect. */
export async function spoil(fault: FaultSpec, struck: Struck, payload: unknown): Promise<unknown> {
  if ('takesEffect' in fault) return replaceAnswer(await answerInstead(fault, struck), struck.reply)
  if (fault.kind === 'late') {
    await struck.delays.wait(fault.delayMs)
    return payload
  }
  if (struck.reply.statusCode === 204) struck.reply.code(200)
  struck.reply.header('content-type', JSON_TYPE)
  const body = typeof payload === 'string' ? payload : '{}'
  switch (fault.kind) {
    case 'broken-json':
      return body.slice(0, Math.ceil(body.length / 2))
    case 'wrong-schema':
      return JSON.stringify(fault.body ?? { data: 'not a list' })
    case 'huge-body':
      return hugeBody(fault.bytes, body)
    case 'trickle':
      return trickledBody(fault.chunkBytes, fault.intervalMs, body)
    case 'endless-next':
      return endlessNext(body)
  }
}

function replaceAnswer({ status, headers, body }: ApiError, reply: FastifyReply): string | null {
  reply.code(status).headers(headers)
  if (body === null) return null
  reply.header('content-type', JSON_TYPE)
  return JSON.stringify(body)
}

function rateLimited(fault: Extract<Strike, { kind: 'rate-limited' }>, { tenant, call }: Struck): ApiError {
  const { seconds, retryAfter, blocks } = fault
  if (blocks && call.userId !== null && call.tier !== null) {
    tenant.limiter.block(call.userId, call.tier, tenant.settings.now(), seconds)
  }
  return rateLimitError(seconds, retryAfter, tenant.now())
}

const USER_ROUTES: readonly RouteName[] = ['me', 'user', 'users', 'count']

function documentedBody(status: number, { route }: SandboxCall): object {
  if (status === 429) return rateLimitBody(1)
  return USER_ROUTES.includes(route) ? usersErrorBody(status) : errorBody(status)
}

/** Never settles: the call ends with the connection. */
function endless(): Promise<never> {
  return new Promise(() => {})
}
