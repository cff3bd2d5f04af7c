import type { FastifyRequest } from 'fastify'
import type { Origin } from '../revocation/origin.ts'
import { provenSender } from './authenticate.ts'
import { clientAddress } from './client-address.ts'

/** The origin of a request whose sender is authenticated. @throws CURFEW_UNAUTHENTICATED */
export function originOf(request: FastifyRequest): Origin {
  const { kind, name, fingerprint, massRevocation } = provenSender(request)
  return { kind, name, id: fingerprint, address: clientAddress(request), massRevocation }
}
