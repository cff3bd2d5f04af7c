import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../base/clock.ts'

/** One read of a socket. */
const BYTES_PER_TURN = 64 * 1024
/** More than a client sends that streams 1,000 users one by one. Proxies send chunks of many kilobytes. */
export const CHUNKS_PER_TURN = 2_500
/** Chunks of all bodies in a turn, about 20 ms. Beyond it, a body may have only a tenth of its chunks. */
const CHUNKS_OF_ALL = 10_000
/** Bodies that continue together. Their reads take about 5 ms. */
const RESUMED_TOGETHER = 16
/** If more are waiting: 20 MB/s in total. Without a pause, 200 bodies of 1 MiB occupy both the process and the kernel for a second. */
const PAUSE_MS = 50

/**
 * Limits what a turn of the event loop receives of bodies: 64 KB from each connection, and 1 MB of larger bodies together. Node
 * discards the rest of a rejected body as fast as it arrives, up to 2 MB in a turn from each connection.
 */
export class BodyPace {
  readonly #clock: Clock
  readonly #paused: IncomingMessage[] = []
  #willResume = false
  #chunks = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @param refuse called if the body has too many chunks: each costs about a microsecond, and may have a single byte */
  limit(request: IncomingMessage, response: ServerResponse, refuse: () => void): void {
    let isLimited = false
    let [bytes, chunks] = [0, 0]
    const nextTurn = () => {
      bytes = chunks = 0
    }
    const limit = () => {
      if (isLimited) return
      isLimited = true
      const receive = (chunk: Buffer) => {
        if (chunks === 0) setImmediate(nextTurn)
        bytes += chunk.length
        chunks += 1
        this.#countChunk()
        if (bytes >= BYTES_PER_TURN && !request.isPaused()) this.#pause(request)
        if (chunks <= (this.#chunks > CHUNKS_OF_ALL ? CHUNKS_PER_TURN / 10 : CHUNKS_PER_TURN)) return
        request.off('data', receive)
        refuse()
      }
      request.on('data', receive)
    }
    request.once('resume', limit)
    // A body that Node discards has no events.
    response.once('prefinish', () => {
      if (!request.complete) limit()
    })
  }

  #countChunk(): void {
    if (this.#chunks === 0)
      setImmediate(() => {
        this.#chunks = 0
      })
    this.#chunks += 1
  }

  #pause(request: IncomingMessage): void {
    request.pause()
    this.#paused.push(request)
    if (this.#willResume) return
    this.#willResume = true
    setImmediate(() => this.#resumeSome())
  }

  #resumeSome(): void {
    for (const request of this.#paused.splice(0, RESUMED_TOGETHER)) request.resume()
    this.#willResume = this.#paused.length > 0
    if (this.#willResume) this.#clock.after(PAUSE_MS, () => this.#resumeSome())
  }
}
