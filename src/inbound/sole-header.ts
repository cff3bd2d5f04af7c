import type { FastifyRequest } from 'fastify'

/**
 * The value of a header that is sent once; null where it is not there, or more than once. Of two, the server and a proxy
 * before it could believe different ones.
 */
export function soleHeader({ raw }: FastifyRequest, name: string): string | null {
  const values = raw.headersDistinct[name] ?? []
  return values.length === 1 ? (values[0] ?? null) : null
}
