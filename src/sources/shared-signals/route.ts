import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { areEqual } from '../../base/constant-time.ts'
import { CurfewError, type ErrorCode } from '../../base/errors.ts'
import { soleHeader } from '../../base/sole-header.ts'
import type { ConfiguredSources } from '../common/configured-sources.ts'
import { refusalOf } from '../common/refusal.ts'
import { bodyOf, EXAMPLE_JWT, requireType, sourceRoute } from '../common/route.ts'
import { SetError, setErrorOf } from '../token/set-error.ts'
import { pushAuthorizationOf, type SharedSignalsSource } from './entry.ts'
import type { TakeSecurityEvent } from './take-security-event.ts'

const refusal = (description: string) => ({
  description,
  content: { 'application/json': { schema: SetError } },
})

/**
 * `POST /sources/{name}/events`: a transmitter pushes a security event token (RFC 8935). The answer is 202 when its
 * effect is durable, and also for a repeated token.
 */
export function securityEventsRoute(
  sources: ConfiguredSources<SharedSignalsSource>,
  takeSecurityEvent: TakeSecurityEvent,
): FastifyPluginAsync {
  return sourceRoute(sources, {
    method: 'POST',
    path: 'events',
    schema: {
      operationId: 'receiveSecurityEvent',
      summary: 'Shared Signals: CAEP and RISC events by push (RFC 8935)',
      description:
        'A security event token (RFC 8417), `application/secevent+jwt`, signed by the issuer of the source. If the entry of ' +
        'the source has an authorization, the `Authorization` header must contain it.',
      consumes: ['application/secevent+jwt'],
      body: z.string().describe('A signed JWT'),
      response: {
        202: z.null().describe('The effect of the event is durable'),
        400: refusal('The token is not accepted as proof, or cannot be acted on'),
        503: refusal("The issuer's keys or the store are unavailable: send it again"),
      },
      'x-facts': { examples: { event: { summary: 'A security event token', value: EXAMPLE_JWT } } },
    },
    errorHandler: refuse,
    async handle(source, request, caller) {
      requireAuthorization(request, pushAuthorizationOf(source.config))
      requireType(request)
      await takeSecurityEvent(source, bodyOf(request).toString('latin1').trim(), caller)
      return { status: 202 }
    },
  })
}

function requireAuthorization({ raw }: FastifyRequest, expected: string | null): void {
  if (expected === null) return
  if (!areEqual(soleHeader(raw.headersDistinct, 'authorization') ?? '', expected))
    throw new CurfewError('CURFEW_STREAM_UNAUTHENTICATED')
}

/** Errors of the request itself, not of its token, keep their status. */
const OF_HTTP: readonly ErrorCode[] = [
  'CURFEW_NOT_FOUND',
  'CURFEW_UNAUTHENTICATED',
  'CURFEW_CONTENT_ENCODING',
  'CURFEW_BODY_TOO_LARGE',
  'CURFEW_TOO_MANY_FAILURES',
]

/** RFC 8935, section 2.3: 400 with `err` and `description`. */
function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, code, description } = refusalOf(error, request, reply)
  const refused = setErrorOf(error)
  const err = refused?.err ?? 'invalid_request'
  return reply
    .code(refused && !OF_HTTP.includes(code) ? 400 : status)
    .header('content-language', 'en')
    .send({ err, description })
}
