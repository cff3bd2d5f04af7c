import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Clock } from '../clock.ts'
import { CurfewError } from '../errors.ts'
import { apiKeyCheck } from './api-key.ts'
import { signedHeaders, verifyWebhook, webhookKey } from './standard-webhooks.ts'

/** Who sent a request, once proven. */
export type Sender = { kind: 'webhook'; webhookId: string } | { kind: 'api-key'; fingerprint: string }

declare module 'fastify' {
  interface FastifyRequest {
    /** Null until the sender is proven. */
    sender: Sender | null
    /** The body as it came; null where there is none. */
    rawBody: Buffer | null
  }
  interface FastifyContextConfig {
    /** How a sender may be proven; a route without it is open to everybody. */
    senders?: readonly Sender['kind'][]
  }
}

export interface AuthenticateOptions {
  apiKeys: readonly string[]
  webhookSecrets: readonly string[]
  clock: Clock
}

/**
 * Proves senders before anything of a body is parsed: by API key before the body is read, by signature over the
 * body's bytes. Then parses JSON, strictly.
 */
async function authenticate(app: FastifyInstance, { apiKeys, webhookSecrets, clock }: AuthenticateOptions) {
  const check = apiKeyCheck(apiKeys)
  const keys = webhookSecrets.map(webhookKey)
  const parseJson = app.getDefaultJsonParser('error', 'error')
  const utf8 = new TextDecoder('utf-8', { fatal: true })

  const signatureOf = (request: FastifyRequest) =>
    request.routeOptions.config.senders?.includes('webhook') ? signedHeaders(request.headers) : null

  function proveBySignature(request: FastifyRequest, body: Buffer): void {
    const signed = signatureOf(request)
    if (!signed || request.sender) return
    request.sender = { kind: 'webhook', webhookId: verifyWebhook(signed, body, keys, clock.now()) }
  }

  app.decorateRequest('sender', null)
  app.decorateRequest('rawBody', null)

  app.addHook('onRequest', async (request) => {
    if (!request.routeOptions.config.senders || signatureOf(request)) return
    const fingerprint = check(request.headers.authorization)
    if (fingerprint === null) throw new CurfewError('CURFEW_UNAUTHENTICATED')
    request.sender = { kind: 'api-key', fingerprint }
  })

  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    try {
      request.rawBody = body
      proveBySignature(request, body)
      if (body.length === 0) return done(null, undefined)
      if (!/^application\/json *(;|$)/i.test(request.headers['content-type'] ?? '')) {
        throw new CurfewError('CURFEW_MEDIA_TYPE')
      }
      parseJson(request, utf8.decode(body), done)
    } catch (error) {
      done(error instanceof CurfewError ? error : new CurfewError('CURFEW_BODY_UNREADABLE'))
    }
  })

  // A request without a body does not come by the parser.
  app.addHook('preValidation', async (request) => proveBySignature(request, Buffer.alloc(0)))
}

/** For plugins whose routes need proven senders: without this one registered before, the service does not start. */
export const PROVEN = { dependencies: ['authenticate', 'problems'], encapsulate: true }

export default fp(authenticate, { name: 'authenticate' })
