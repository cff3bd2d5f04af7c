import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { areEqual } from '../../base/constant-time.ts'
import { soleHeader } from '../../base/sole-header.ts'
import { refusalOf } from '../common/refusal.ts'
import {
  bodyOf,
  requireType,
  SourceParams,
  type SourceRoutes,
  sourceOf,
  withRawBodies,
} from '../common/route.ts'
import { SetError, SetRefused, setErrorOf } from '../token/set-error.ts'
import { pushAuthorizationOf } from './entry.ts'
import type { TakeSecurityEvent } from './take-security-event.ts'

const refusal = (description: string) => ({
  description,
  content: { 'application/json': { schema: SetError } },
})

/**
 * `POST /sources/{name}/events`: a security event token is pushed (RFC 8935). 202 when what there is to do is durable;
 * the same for one that was here before.
 */
export default withRawBodies<SourceRoutes & { takeSecurityEvent: TakeSecurityEvent }>(
  ['shared-signals'],
  (app, { sources, takeSecurityEvent }) => {
    app.post(
      '/sources/:name/events',
      {
        schema: {
          summary: 'Shared Signals: CAEP and RISC events by push (RFC 8935)',
          description:
            'A security event token (RFC 8417), `application/secevent+jwt`, signed by the issuer of the source.',
          tags: ['sources'],
          params: SourceParams,
          consumes: ['application/secevent+jwt'],
          body: z.string().describe('A signed JWT'),
          response: {
            202: z.null().describe('What there is to do is durable'),
            400: refusal('The token proves nothing, or cannot be acted on'),
            503: refusal("The issuer's keys or the store cannot be had: send it again"),
          },
        },
        errorHandler: refuse,
      },
      async (request, reply) => {
        const source = sourceOf(request, sources, 'shared-signals')
        requireAuthorization(request, pushAuthorizationOf(source.config))
        requireType(request)
        await takeSecurityEvent(source, bodyOf(request).toString('latin1').trim())
        return reply.header('cache-control', 'no-store').code(202).send()
      },
    )
  },
)

function requireAuthorization(request: FastifyRequest, expected: string | null): void {
  if (expected === null) return
  const { headersDistinct } = request.raw
  if (!areEqual(soleHeader(headersDistinct, 'authorization') ?? '', expected))
    throw new SetRefused('authentication_failed', 'The header Authorization is not the one that was agreed.')
}

/** RFC 8935, section 2.3: 400 with `err` and `description`. */
function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, code, description } = refusalOf(error, request, reply)
  const refused = setErrorOf(error)
  const err = refused?.err ?? 'invalid_request'
  return reply
    .code(refused && code !== 'CURFEW_NOT_FOUND' ? 400 : status)
    .header('content-language', 'en')
    .send({ err, description })
}
