import { type LoadOrder, type LoadResult, LoadResults } from './load-generator.ts'
import { ask, type Bench, type Child, cpuMs, median, signedLogout, startChild } from './support.ts'

export const CONNECTIONS = 64
/** Each request has its own user, id and signature. */
export const REQUESTS_A_ROUND = Number(process.env.BENCH_REQUESTS ?? 9_600)

/** One of the compared servers, to which signed logouts are sent. */
export interface Side {
  child: Child
  results: LoadResult[]
  /** Cores used, by round. */
  cores: number[]
}

export const sideOf = (child: Child): Side => ({ child, results: [], cores: [] })

/**
 * Sends the same requests to one server after the other, in rounds. Which server comes first alternates. An additional
 * first round warms up.
 */
export async function inRounds(bench: Bench, rounds: number, sides: readonly Side[]): Promise<void> {
  const generator = await startChild(bench, 'bench/load-generator.ts')
  for (let round = 0; round <= rounds; round += 1) {
    const requests = Array.from({ length: REQUESTS_A_ROUND }, () => signedLogout())
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      const before = cpuMs(side.child)
      const order: LoadOrder = { urls: [side.child.url], requests, connections: CONNECTIONS }
      const [result] = LoadResults.parse(await ask(generator, order, 120_000))
      if (!result) throw new Error('The load generator returned no result.')
      if (round === 0) continue
      side.results.push(result)
      side.cores.push((cpuMs(side.child) - before) / result.durationMs)
    }
  }
  await generator.stop()
}

const perSecond = ({ results }: Side) => results.map((result) => result.perSecond)

/** The ratio of accepted requests per second, by round. */
export function rateRatios(one: Side, other: Side): number[] {
  const others = perSecond(other)
  return perSecond(one).map((rate, round) => rate / (others[round] ?? Number.NaN))
}

/** CPU time per request, by round, in µs. */
export function cpuMicros({ results, cores }: Side): number[] {
  return results.map((result, round) => ((cores[round] ?? Number.NaN) / result.perSecond) * 1e6)
}

export function describe(side: Side): string {
  const p50 = median(side.results.map((result) => result.p50Ms))
  const p99 = median(side.results.map((result) => result.p99Ms))
  return `${Math.round(median(perSecond(side)))}/s (p50 ${p50} ms, p99 ${p99} ms)`
}
