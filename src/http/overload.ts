import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { FastifyContextConfig, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Clock } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import { isForOperators } from './operators.ts'
import type { CountRefusal } from './refusals.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route answers during overload, too: probes. */
    isProbe?: boolean
    /** Whether the route receives signals that a source authenticates. */
    isSignal?: boolean
  }
}

/** In bytes. */
export interface MemoryUse {
  used: number
  limit: number
}

/** Garbage, the page cache of the container and a burst of requests need the rest. */
const HIGHEST_SHARE = 0.85
const MEMORY_EVERY_MS = 100
/** Providers wait 3 to 10 s for an answer. */
const HIGHEST_DELAY_MS = 1_000
const DELAY_EVERY_MS = 2_000
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

/** One long turn of the event loop is not overload. */
const FEWEST_TURNS = 3

/** The median delay of the event loop since the last result, in ms; null until it has made a few turns. */
export function eventLoopDelay(): { read: () => number | null; stop: () => void } {
  const histogram = monitorEventLoopDelay({ resolution: 20 })
  histogram.enable()
  const read = () => {
    if (histogram.count < FEWEST_TURNS) return null
    const median = histogram.percentile(50) / 1e6
    histogram.reset()
    return median
  }
  return { read, stop: () => void histogram.disable() }
}

export interface OverloadOptions {
  memory: () => MemoryUse[]
  /** See `eventLoopDelay`; by default of this process. */
  loopDelay?: (() => number | null) | undefined
  clock: Pick<Clock, 'monotonic'>
  refused: CountRefusal
}

/**
 * Answers 503 while memory is nearly used up, because a process that the kernel ends answers nothing. While the event loop
 * is late, answers 503 to requests that can wait.
 */
async function overload(app: FastifyInstance, { memory, loopDelay, clock, refused }: OverloadOptions) {
  const own = loopDelay ? null : eventLoopDelay()
  const readDelay = loopDelay ?? own?.read ?? (() => null)
  app.addHook('onClose', async () => own?.stop())

  let loggedAt = Number.NEGATIVE_INFINITY
  const mayLog = () => {
    const now = clock.monotonic()
    if (now - loggedAt < LOG_EVERY_MS) return false
    loggedAt = now
    return true
  }

  const isFull = sampled(clock, MEMORY_EVERY_MS, () => {
    const uses = memory()
    const isOver = isOverloaded(uses)
    if (isOver && mayLog()) app.log.warn({ memory: uses }, 'memory is nearly used up; requests get 503')
    return isOver
  })
  const isLate = sampled(clock, DELAY_EVERY_MS, (wasLate) => {
    const delayMs = readDelay()
    if (delayMs === null) return wasLate
    const isOver = delayMs > HIGHEST_DELAY_MS
    if (isOver && mayLog())
      app.log.warn({ delayMs }, 'the process is too busy; requests that can wait get 503')
    return isOver
  })

  app.addHook('onRequest', async (request) => {
    const { config } = request.routeOptions
    const [full, late] = [isFull(), isLate()]
    if ((!full && !late) || config.isProbe) return
    // Operators need metrics most during overload. Their own connections bound what they cost.
    if (request.listener === 'operators' && isForOperators(config)) return
    if (!full && !canWait(config)) return
    // Like operators' routes, so that the response does not reveal which of them exist.
    if (request.listener === 'public' && request.is404) throw new CurfewError('CURFEW_NOT_FOUND')
    refused(full ? 'memory' : 'delay')
    throw new CurfewError('CURFEW_OVERLOADED', undefined, { retryAfterSeconds: RETRY_AFTER_S })
  })
}

/** Whether a request can wait: it needs no authentication, or only reads. Signals cannot: providers rarely repeat them. */
function canWait({ isSignal, role }: FastifyContextConfig): boolean {
  return !isSignal && (role === undefined || role === 'read')
}

/** Takes a sample at most every `everyMs`, when it is needed: without requests, there are none. */
function sampled(
  clock: Pick<Clock, 'monotonic'>,
  everyMs: number,
  sample: (previous: boolean) => boolean,
): () => boolean {
  let takenAt = Number.NEGATIVE_INFINITY
  let result = false
  return () => {
    const now = clock.monotonic()
    if (now - takenAt >= everyMs) {
      takenAt = now
      result = sample(result)
    }
    return result
  }
}

export default fp(overload, { name: 'overload', dependencies: ['operators'] })
