import type { FastifyPluginAsync } from 'fastify'
import { z } from 'zod'
import { invalidMember } from '../../base/errors.ts'
import { soleHeader } from '../../base/sole-header.ts'
import { problemAnswer } from '../../http/problems.ts'
import { authenticated } from '../common/caller.ts'
import type { ConfiguredSources } from '../common/configured-sources.ts'
import { bodyOf, sourceRoute } from '../common/route.ts'
import type { WebhookSource } from './endpoint.ts'
import type { ProveWebhook, TakeWebhook } from './take-webhook.ts'

/** Vendors send batches: Auth0 collects log entries, Okta events. */
const BODY_LIMIT_BYTES = 1024 * 1024

const EXAMPLES = {
  clerk: {
    summary: 'A session that ended, from Clerk',
    value: {
      type: 'session.ended',
      object: 'event',
      timestamp: 1_795_780_800_000,
      data: {
        id: 'sess_2a1b',
        object: 'session',
        status: 'ended',
        user_id: 'user_2g7np7Hrk0SN6kj5EDMLDaKNL0S',
      },
    },
  },
}

const EMPTY = z.undefined().describe('Every signal in it is durable; the body is empty')

/**
 * `POST /sources/{name}/webhook`: a vendor reports events of its users. The answer is 2xx when all signals in it are
 * durable.
 */
export function vendorWebhookRoute(
  sources: ConfiguredSources<WebhookSource>,
  takeWebhook: TakeWebhook,
): FastifyPluginAsync {
  return sourceRoute(sources, {
    method: 'POST',
    path: 'webhook',
    bodyLimit: BODY_LIMIT_BYTES,
    schema: {
      operationId: 'receiveWebhook',
      summary: 'Events of a vendor',
      description:
        "Up to 1,000 events in the vendor's format, authenticated as the vendor does. Events that end no session are ignored.",
      body: z
        .union([z.looseObject({}), z.array(z.looseObject({}))])
        .describe("One event or a batch, in the vendor's format; JSON Lines from vendors that send them"),
      response: { 200: EMPTY, 204: EMPTY, ...problems(400, 401, 413, 415, 503) },
      'x-facts': { examples: EXAMPLES },
    },
    async handle(source, request, caller) {
      const { headersDistinct: headers } = request.raw
      return { status: await takeWebhook(source, { headers, body: bodyOf(request) }, caller) }
    },
  })
}

const CHALLENGE = 'x-okta-verification-challenge'

/**
 * `GET /sources/{name}/webhook`: the one-time verification of an Okta event hook
 * (https://developer.okta.com/docs/concepts/event-hooks/#one-time-verification-request). Okta sends the secret with it.
 * A wrong secret must fail here, when the hook is set up: Okta does not resend events that are rejected later.
 */
export function oktaChallengeRoute(
  sources: ConfiguredSources<WebhookSource>,
  proveWebhook: ProveWebhook,
): FastifyPluginAsync {
  const find = (name: string) => {
    const source = sources.find(name)
    return source?.config.kind === 'okta-event-hook' ? source : null
  }
  return sourceRoute(
    { find },
    {
      method: 'GET',
      path: 'webhook',
      schema: {
        operationId: 'answerWebhookChallenge',
        summary: 'The challenge of an Okta event hook',
        description: `Returns the value of \`${CHALLENGE}\`. For sources of this kind only, with their secret.`,
        response: {
          200: z.object({ verification: z.string() }).describe('The challenge'),
          ...problems(400, 401),
        },
        'x-facts': { requestHeaders: [CHALLENGE] },
      },
      async handle(source, request, caller) {
        const { headersDistinct: headers } = request.raw
        await proveWebhook(source, { headers, body: bodyOf(request) })
        authenticated(source.config, caller)
        const verification = soleHeader(headers, CHALLENGE) ?? ''
        if (!/^[\x21-\x7e]{1,1024}$/.test(verification))
          throw invalidMember(CHALLENGE, 'expected one value of 1 to 1,024 printable characters')
        return { status: 200, body: { verification } }
      },
    },
  )
}

/** For the documentation. There is no security scheme: the source decides how senders authenticate. */
function problems(...statuses: number[]) {
  return Object.fromEntries(statuses.map((status) => [status, problemAnswer]))
}
