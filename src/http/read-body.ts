import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { CurfewError } from '../base/errors.ts'
import type { BodyMemory } from './body-memory.ts'

const RETRY_AFTER_S = 5

export interface ReceivedBody {
  bytes: Buffer
  /** Ends its share of the memory for bodies. */
  release: () => void
}

/**
 * Receives the body of a request, up to the limit of its route. Rejects early if the header announces more.
 * @param memory null for an authenticated request
 * @throws CURFEW_BODY_TOO_LARGE, CURFEW_BODY_UNREADABLE if it is cut off, CURFEW_OVERLOADED
 */
export function readBody(
  { routeOptions, headers }: FastifyRequest,
  payload: Readable,
  memory: BodyMemory | null,
): Promise<ReceivedBody> {
  const { bodyLimit } = routeOptions
  if (Number(headers['content-length']) > bodyLimit)
    return Promise.reject(new CurfewError('CURFEW_BODY_TOO_LARGE'))
  return new Promise((resolve, reject) => {
    // One buffer that grows, not a list of chunks: a body can arrive byte by byte.
    let buffer = Buffer.alloc(0)
    let length = 0
    const fail = (error: CurfewError) => {
      stop()
      release()
      buffer = Buffer.alloc(0)
      reject(error)
    }
    const held = memory?.hold(() => fail(overloaded()))
    const release = () => {
      if (held) memory?.release(held)
    }
    const grow = (needed: number) => {
      const larger = Buffer.alloc(Math.min(bodyLimit, Math.max(needed, 2 * buffer.length)))
      buffer.copy(larger, 0, 0, length)
      const more = larger.length - buffer.length
      buffer = larger
      if (held) memory?.add(held, more)
    }
    const onData = (chunk: Buffer) => {
      const needed = length + chunk.length
      if (needed > bodyLimit) return fail(new CurfewError('CURFEW_BODY_TOO_LARGE'))
      if (needed > buffer.length) grow(needed)
      // Nothing is left to copy to if this body was dropped.
      length += chunk.copy(buffer, length)
    }
    const onEnd = () => {
      stop()
      if (held) held.isComplete = true
      resolve({ bytes: buffer.subarray(0, length), release })
    }
    const onCut = () => fail(new CurfewError('CURFEW_BODY_UNREADABLE'))
    const stop = () => {
      payload.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut)
    }
    payload.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut)
  })
}

function overloaded(): CurfewError {
  return new CurfewError('CURFEW_OVERLOADED', undefined, { retryAfterSeconds: RETRY_AFTER_S })
}
