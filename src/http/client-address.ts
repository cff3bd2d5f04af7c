/**
 * The maximum length of an IPv6 address with a zone. If a trusted proxy passes `X-Forwarded-For` on, clients can send any text
 * instead, up to the limit of headers, and the audit trail would store it.
 */
export const LONGEST_ADDRESS = 64

/**
 * The address of a request's client. Null if the connection has closed: Node does not know the address then, despite Fastify's
 * type. Pipelined requests can outlive their connection.
 */
export function clientAddress({ ip }: { ip: string | undefined }): string | null {
  return ip?.slice(0, LONGEST_ADDRESS) ?? null
}
