import { z } from 'zod'
import { invalidMember } from '../../base/errors.ts'
import { soleHeader } from '../../base/sole-header.ts'
import { problemAnswer } from '../../http/problems.ts'
import { bodyOf, SourceParams, type SourceRoutes, sourceOf, withRawBodies } from '../common/route.ts'
import { WEBHOOK_KINDS } from './endpoint.ts'
import type { ProveWebhook, TakeWebhook } from './take-webhook.ts'

/** As much as a vendor sends at once: Auth0 gathers logs, Okta events. */
const BODY_LIMIT_BYTES = 1024 * 1024

export interface VendorWebhookOptions extends SourceRoutes {
  proveWebhook: ProveWebhook
  takeWebhook: TakeWebhook
}

const EMPTY = z.undefined().describe('All of it is durable; the body is empty')

/**
 * `POST /sources/{name}/webhook`: a vendor tells what has happened to its users. Answered when all that ends a session is
 * durable. `GET` answers the challenge of an Okta event hook.
 */
export default withRawBodies<VendorWebhookOptions>(
  WEBHOOK_KINDS,
  (app, { sources, proveWebhook, takeWebhook }) => {
    app.post(
      '/sources/:name/webhook',
      {
        bodyLimit: BODY_LIMIT_BYTES,
        schema: {
          summary: 'Events of a vendor',
          description:
            "In the vendor's own form, proven in its own way. Up to 1,000 events; those that end no session are ignored.",
          tags: ['sources'],
          params: SourceParams,
          response: { 200: EMPTY, 204: EMPTY, ...problems(400, 401, 413, 415, 503) },
        },
      },
      async (request, reply) => {
        const source = sourceOf(request, sources, ...WEBHOOK_KINDS)
        const { headersDistinct: headers } = request.raw
        const status = await takeWebhook(source, { headers, body: bodyOf(request) })
        return reply.header('cache-control', 'no-store').code(status).send()
      },
    )

    app.get(
      '/sources/:name/webhook',
      {
        schema: {
          summary: 'The challenge of an Okta event hook',
          description:
            'Answers with the value of `x-okta-verification-challenge`; for sources of that kind, and with their secret only.',
          tags: ['sources'],
          params: SourceParams,
          response: {
            200: z.object({ verification: z.string() }).describe('The challenge'),
            ...problems(400, 401),
          },
        },
      },
      // https://developer.okta.com/docs/concepts/event-hooks/#one-time-verification-request. Okta sends the secret with it, too:
      // a wrong one shows when the hook is set up, not by events that are refused, which Okta does not send again.
      async (request, reply) => {
        const { headersDistinct: headers } = request.raw
        await proveWebhook(sourceOf(request, sources, 'okta-event-hook'), { headers, body: bodyOf(request) })
        const header = 'x-okta-verification-challenge'
        const verification = soleHeader(headers, header) ?? ''
        if (!/^[\x21-\x7e]{1,1024}$/.test(verification))
          throw invalidMember(header, 'expected one, of 1 to 1,024 printable characters')
        reply.header('cache-control', 'no-store')
        return { verification }
      },
    )
  },
)

/** For the documentation: who may call is a matter of the source, so there is no scheme that would imply them. */
function problems(...statuses: number[]) {
  return Object.fromEntries(statuses.map((status) => [status, problemAnswer]))
}
