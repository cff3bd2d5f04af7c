import type { Socket } from 'node:net'

/** What Node adds to a socket and its HTTP parser. Not documented; without it, `abandon` only costs more. */
interface ParsedSocket extends Socket {
  parser?: unknown
}

/**
 * Closes a connection, and skips the rest of what it has sent: up to 64 KB, for which Node would create hundreds of requests with
 * their responses, or thousands of chunks.
 * @param response sent before
 */
export function abandon(socket: ParsedSocket, response?: string): void {
  const { parser } = socket
  if (parser instanceof Object) {
    skipRequests(parser)
    skipChunks(parser)
  }
  if (response === undefined) return void socket.destroy()
  socket.end(response)
  socket.destroySoon()
}

/** The parser stops after an upgrade, which 2 stands for. */
function skipRequests(parser: object): void {
  if ('onIncoming' in parser) parser.onIncoming = () => 2
}

/** Removes the callback for chunks until the parser returns: Node reuses it for other connections. */
function skipChunks(parser: object): void {
  const { kOnBody } = parser.constructor as { kOnBody?: unknown }
  if (typeof kOnBody !== 'number') return
  const callbacks = parser as Record<number, unknown>
  const onBody = callbacks[kOnBody]
  if (!onBody) return
  callbacks[kOnBody] = undefined
  setImmediate(() => {
    callbacks[kOnBody] = onBody
  })
}
