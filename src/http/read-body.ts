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
    let chunks: Buffer[] = []
    let length = 0
    const fail = (error: CurfewError) => {
      stop()
      release()
      chunks = []
      reject(error)
    }
    const held = memory?.hold(() =>
      fail(new CurfewError('CURFEW_OVERLOADED', undefined, { retryAfterSeconds: RETRY_AFTER_S })),
    )
    const release = () => {
      if (held) memory?.release(held)
    }
    const onData = (chunk: Buffer) => {
      length += chunk.length
      if (length > bodyLimit) return fail(new CurfewError('CURFEW_BODY_TOO_LARGE'))
      chunks.push(chunk)
      if (held) memory?.add(held, chunk.length)
    }
    const onEnd = () => {
      stop()
      if (held) held.isComplete = true
      resolve({ bytes: Buffer.concat(chunks, length), release })
    }
    const onCut = () => fail(new CurfewError('CURFEW_BODY_UNREADABLE'))
    const stop = () => {
      payload.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut)
    }
    payload.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut)
  })
}
