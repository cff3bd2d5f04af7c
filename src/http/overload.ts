import { getHeapStatistics } from 'node:v8'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Clock } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import { isForOperators } from './operators.ts'
import type { CountRefusal } from './refusals.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route answers during overload, too: probes. */
    isProbe?: boolean
  }
}

/** In bytes. */
export interface MemoryUse {
  used: number
  limit: number
}

/** Garbage, the page cache of the container and a burst of requests need the rest. */
const HIGHEST_SHARE = 0.85
const SAMPLE_EVERY_MS = 100
const LOG_EVERY_MS = 60_000
const RETRY_AFTER_S = 5

export function isOverloaded(uses: readonly MemoryUse[]): boolean {
  return uses.some(({ used, limit }) => used > limit * HIGHEST_SHARE)
}

/**
 * The memory of the process, and its JavaScript heap, with their limits.
 * @param limitBytes 0 for the limit of the container, if it has one
 */
export function processMemory(limitBytes: number): () => MemoryUse[] {
  const { heap_size_limit: heapLimit } = getHeapStatistics()
  // 0 if unknown; without a limit, some kernels report 2^64 - 1 or a value close to 2^63.
  const limit = limitBytes || process.constrainedMemory() || Number.MAX_SAFE_INTEGER
  return () => {
    const { rss, heapUsed } = process.memoryUsage()
    return [
      { used: rss, limit },
      { used: heapUsed, limit: heapLimit },
    ]
  }
}

export interface OverloadOptions {
  memory: () => MemoryUse[]
  clock: Pick<Clock, 'monotonic'>
  refused: CountRefusal
}

/** Answers 503 while memory is nearly used up: a process that the kernel ends answers nothing. */
async function overload(app: FastifyInstance, { memory, clock, refused }: OverloadOptions) {
  let sampledAt = Number.NEGATIVE_INFINITY
  let loggedAt = Number.NEGATIVE_INFINITY
  let isOver = false

  function sample(now: number): void {
    sampledAt = now
    const uses = memory()
    isOver = isOverloaded(uses)
    if (!isOver || now - loggedAt < LOG_EVERY_MS) return
    loggedAt = now
    app.log.warn({ memory: uses }, 'memory is nearly used up; requests get 503')
  }

  app.addHook('onRequest', async (request) => {
    const now = clock.monotonic()
    if (now - sampledAt >= SAMPLE_EVERY_MS) sample(now)
    const { config } = request.routeOptions
    if (!isOver || config.isProbe) return
    // Operators need metrics most during overload. Their own connections bound what they cost.
    if (request.listener === 'operators' && isForOperators(config)) return
    refused('memory')
    throw new CurfewError('CURFEW_OVERLOADED', undefined, { retryAfterSeconds: RETRY_AFTER_S })
  })
}

export default fp(overload, { name: 'overload', dependencies: ['operators'] })
