import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { z } from 'zod'
import { CurfewError } from '../base/errors.ts'
import type { Role } from '../base/role.ts'
import { signedHeaders } from '../base/standard-webhooks.ts'
import { decodeUtf8, parseJson } from '../base/strict-json.ts'
import { byApiKey } from './by-api-key.ts'
import { clientAddress } from './client-address.ts'
import { readBody } from './read-body.ts'
import type { Sender, Senders } from './senders.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Null until the sender is authenticated. */
    sender: Sender | null
    /** The unparsed body; null if there is none. */
    rawBody: Buffer | null
  }
  interface FastifyContextConfig {
    /** The accepted kinds of authentication. A route without it needs none. */
    senders?: readonly Sender['kind'][]
    /** The role that the sender needs, or any sender. Required on every route with `senders`. */
    role?: Role | 'any'
  }
}

export interface AuthenticateOptions {
  senders: Senders
}

/**
 * Authenticates senders before the body is parsed: by API key before the body is read, or by signature over the bytes
 * of the body. Then parses JSON strictly.
 */
async function authenticate(app: FastifyInstance, { senders }: AuthenticateOptions) {
  const signatureOf = (request: FastifyRequest) =>
    request.routeOptions.config.senders?.includes('webhook') ? signedHeaders(request.headers) : null

  async function admitOrCount(
    request: FastifyRequest,
    find: () => Promise<Sender> | Sender | null,
  ): Promise<void> {
    try {
      admit(request, await find())
    } catch (error) {
      throw app.limits.failures.judge(clientAddress(request), error)
    }
  }

  async function proveBySignature(request: FastifyRequest, body: Buffer): Promise<void> {
    const signed = signatureOf(request)
    if (!signed || request.sender) return
    const check = { hint: hintOf(request), failures: app.limits.failures.of(clientAddress(request)) }
    await admitOrCount(request, () => senders.bySignature(signed, body, check))
  }

  app.decorateRequest('sender', null)
  app.decorateRequest('rawBody', null)
  app.decorateRequest('invalidKey', null)

  app.addHook('onRoute', (route) => {
    const { role, senders: kinds } = route.config ?? {}
    if (Boolean(kinds) !== Boolean(role))
      throw new Error(`${route.method} ${route.url} needs both senders and role, or neither.`)
    if (!role || !route.schema) return
    const { description } = route.schema
    const required = role === 'any' ? 'Any API key is accepted.' : `An API key needs the role \`${role}\`.`
    route.schema = { ...route.schema, description: description ? `${description} ${required}` : required }
  })

  app.addHook('onRequest', async (request) => {
    if (!request.routeOptions.config.senders || signatureOf(request)) return
    await admitOrCount(request, () => byApiKey(request, senders))
  })

  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', async (request: FastifyRequest, payload: IncomingMessage) => {
    const { bytes, release } = await readBody(request, payload, request.sender ? null : app.limits.bodies)
    try {
      request.rawBody = bytes
      await proveBySignature(request, bytes)
    } finally {
      release()
    }
    if (bytes.length === 0) return undefined
    if (!/^application\/json *(;|$)/i.test(request.headers['content-type'] ?? ''))
      throw new CurfewError('CURFEW_MEDIA_TYPE')
    try {
      return parseJson(decodeUtf8(bytes))
    } catch (error) {
      throw error instanceof CurfewError ? error : new CurfewError('CURFEW_BODY_UNREADABLE')
    }
  })

  // The parser does not run for a request without a body.
  app.addHook('preValidation', async (request) => proveBySignature(request, Buffer.alloc(0)))
}

/** Never fails: zod takes 3 µs for an error, and most requests have no hint. */
const Hint = z.object({ sender: z.string().optional().catch(undefined) })

/** The name of the webhook secret in the query, which the signature does not cover: it only decides which is tried first. */
function hintOf({ query }: FastifyRequest): string | null {
  return Hint.parse(query).sender ?? null
}

/** Makes this the sender of the request. @throws CURFEW_UNAUTHENTICATED, CURFEW_ROLE_REQUIRED */
function admit(request: FastifyRequest, sender: Sender | null): void {
  if (!sender) throw new CurfewError('CURFEW_UNAUTHENTICATED')
  request.sender = sender
  const { role } = request.routeOptions.config
  if (role === 'any') return
  if (role === undefined || !sender.roles.includes(role))
    throw new CurfewError('CURFEW_ROLE_REQUIRED', `This request requires the role "${role}".`)
}

/** The sender of a request to a route that requires authentication. @throws CURFEW_UNAUTHENTICATED */
export function provenSender({ sender }: FastifyRequest): Sender {
  if (!sender) throw new CurfewError('CURFEW_UNAUTHENTICATED')
  return sender
}

/** For requests that affect all tenants. @throws CURFEW_UNAUTHENTICATED; CURFEW_FORBIDDEN if the sender is restricted to some */
export function requireUnrestricted(request: FastifyRequest): void {
  if (provenSender(request).tenants !== null) throw new CurfewError('CURFEW_FORBIDDEN')
}

/**
 * For plugins with routes that require authentication: the service starts only if these plugins are registered first.
 */
export const PROVEN = { dependencies: ['authenticate', 'strict-routes', 'problems'], encapsulate: true }

export default fp(authenticate, { name: 'authenticate', dependencies: ['limits'] })
