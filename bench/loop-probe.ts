import { monitorEventLoopDelay } from 'node:perf_hooks'
import { z } from 'zod'

/** Loaded into the service with `--import`: answers each message with the event-loop delay and the memory since the last. */
export const Probed = z.object({
  p50Ms: z.number(),
  p99Ms: z.number(),
  highestMs: z.number(),
  heapMb: z.number(),
  externalMb: z.number(),
})
export type Probed = z.infer<typeof Probed>

const RESOLUTION_MS = 5

if (process.send) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  process.on('message', () => {
    const { heapTotal, external } = process.memoryUsage()
    // The histogram contains the timer's own interval.
    const late = (ns: number) => Math.max(0, ns / 1e6 - RESOLUTION_MS)
    const probed: Probed = {
      ...{ p50Ms: late(delay.percentile(50)), p99Ms: late(delay.percentile(99)), highestMs: late(delay.max) },
      ...{ heapMb: heapTotal / 1e6, externalMb: external / 1e6 },
    }
    delay.reset()
    process.send?.(probed)
  })
}
