/**
 * The address of a request's client. Null if the connection has closed: Node does not know the address then, despite Fastify's
 * type. Pipelined requests can outlive their connection.
 */
export function clientAddress({ ip }: { ip: string | undefined }): string | null {
  return ip ?? null
}
