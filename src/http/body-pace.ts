import type { IncomingMessage, ServerResponse } from 'node:http'

/** One read of a socket. */
const BYTES_PER_TURN = 64 * 1024
/** More than a client sends that streams 1,000 users one by one. Proxies send chunks of many kilobytes. */
export const CHUNKS_PER_TURN = 2_500

/**
 * Limits what a turn of the event loop receives of a body. Node discards the rest of a rejected body as fast as it arrives, up to
 * 2 MB in a turn from each connection; here, about 64 KB.
 * @param refuse called if the body has too many chunks: each costs about a microsecond, and may have a single byte
 */
export function paceBody(request: IncomingMessage, response: ServerResponse, refuse: () => void): void {
  let isPaced = false
  let [bytes, chunks] = [0, 0]
  const nextTurn = () => {
    bytes = chunks = 0
    if (request.isPaused()) request.resume()
  }
  const pace = () => {
    if (isPaced) return
    isPaced = true
    request.on('data', function receive(chunk: Buffer) {
      if (chunks === 0) setImmediate(nextTurn)
      bytes += chunk.length
      chunks += 1
      if (bytes >= BYTES_PER_TURN) request.pause()
      if (chunks <= CHUNKS_PER_TURN) return
      request.off('data', receive)
      refuse()
    })
  }
  request.once('resume', pace)
  // A body that Node discards has no events.
  response.once('prefinish', () => {
    if (!request.complete) pace()
  })
}
