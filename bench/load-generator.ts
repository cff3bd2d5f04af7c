import autocannon, { type Result } from 'autocannon'
import { z } from 'zod'
import type { SignedRequest } from './support.ts'

/** An order of the parent process: the same requests to each server, one server after the other. */
export const LoadOrder = z.object({
  urls: z.array(z.string()),
  requests: z.array(z.object({ body: z.string(), headers: z.record(z.string(), z.string()) })),
  connections: z.int(),
})
export type LoadOrder = z.infer<typeof LoadOrder>

export const LoadResults = z.array(
  z.object({
    perSecond: z.number(),
    p50Ms: z.number(),
    p99Ms: z.number(),
    /** Cores that this process used. Well below 1, or the generator itself limits the result. */
    generatorCores: z.number(),
    durationMs: z.number(),
    accepted: z.int(),
  }),
)
export type LoadResult = z.infer<typeof LoadResults>[number]

async function load(url: string, requests: SignedRequest[], connections: number): Promise<LoadResult> {
  const parts = Array.from({ length: connections }, (_, index) =>
    requests.filter((_request, position) => position % connections === index).map((one) => ({ ...one })),
  )
  let answered = 0
  let startedAt = 0
  let endedAt = 0
  let cpuBefore = process.cpuUsage()
  let cpu = cpuBefore
  const result = await new Promise<Result>((resolve, reject) => {
    autocannon(
      {
        url: `${url}/logout-hook`,
        method: 'POST',
        connections,
        amount: requests.length,
        sampleInt: 10,
        // Serializes the requests of each connection before the clock starts.
        setupClient: (client) => client.setRequests(parts.shift() ?? []),
      },
      (error) => error && reject(error),
    )
      .on('start', () => {
        startedAt = performance.now()
        cpuBefore = process.cpuUsage()
      })
      .on('response', () => {
        answered += 1
        if (answered < requests.length) return
        endedAt = performance.now()
        cpu = process.cpuUsage(cpuBefore)
      })
      .on('done', resolve)
  })
  if (result.non2xx + result.errors + result.timeouts > 0) throw new Error('Not every request succeeded.')
  const durationMs = endedAt - startedAt
  return {
    perSecond: (requests.length / durationMs) * 1000,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    generatorCores: (cpu.user + cpu.system) / 1000 / durationMs,
    durationMs,
    accepted: result['2xx'],
  }
}

if (import.meta.main) {
  process.on('message', async (message) => {
    const { urls, requests, connections } = LoadOrder.parse(message)
    const results: LoadResult[] = []
    for (const url of urls) results.push(await load(url, requests, connections))
    process.send?.(results)
  })
  process.once('disconnect', () => process.exit(0))
  process.send?.({ url: '' })
}
