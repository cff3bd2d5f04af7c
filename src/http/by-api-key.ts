import type { FastifyRequest } from 'fastify'
import { CurfewError } from '../base/errors.ts'
import { clientAddress } from './client-address.ts'
import type { InvalidKey, Sender, Senders } from './senders.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The API key of the request, if it is configured but not valid now. */
    invalidKey: InvalidKey | null
  }
}

type KnownKeys = Pick<Senders, 'byApiKey'>

/** The sender that the API key of a request identifies; null if the key is missing, unknown or not valid now. */
export function byApiKey(request: FastifyRequest, senders: KnownKeys): Sender | null {
  const { sender, invalidKey } = senders.byApiKey(request.headers.authorization)
  request.invalidKey = invalidKey
  return sender
}

/** The same for a route that needs no authentication. A wrong API key counts as a failed authentication. */
export function optionalSender(request: FastifyRequest, senders: KnownKeys): Sender | null {
  const sender = byApiKey(request, senders)
  if (sender || request.headers.authorization === undefined) return sender
  request.server.limits.failures.count(clientAddress(request))
  request.server.noticeRejection(request, new CurfewError('CURFEW_UNAUTHENTICATED'))
  return null
}
