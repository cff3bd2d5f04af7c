import { type LoadOrder, type LoadResult, LoadResults } from './load-generator.ts'
import { ask, type Bench, type Child, cpuMs, median, signedLogout, startChild } from './support.ts'

export const CONNECTIONS = 64
/** Each with a user, an id and a signature of its own. */
export const REQUESTS_A_ROUND = Number(process.env.BENCH_REQUESTS ?? 9_600)

/** A server that signed logouts are sent to, beside others. */
export interface Side {
  child: Child
  results: LoadResult[]
  /** Part of one core that it used, by round. */
  cores: number[]
}

export const sideOf = (child: Child): Side => ({ child, results: [], cores: [] })

/**
 * Sends the same requests to one server after the other, in rounds; which one comes first alternates. The round before
 * the first is to warm up.
 */
export async function inRounds(bench: Bench, rounds: number, sides: readonly Side[]): Promise<void> {
  const generator = await startChild(bench, 'bench/load-generator.ts')
  for (let round = 0; round <= rounds; round += 1) {
    const requests = Array.from({ length: REQUESTS_A_ROUND }, () => signedLogout())
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      const before = cpuMs(side.child)
      const order: LoadOrder = { urls: [side.child.url], requests, connections: CONNECTIONS }
      const [result] = LoadResults.parse(await ask(generator, order, 120_000))
      if (!result) throw new Error('The load generator told no result.')
      if (round === 0) continue
      side.results.push(result)
      side.cores.push((cpuMs(side.child) - before) / result.durationMs)
    }
  }
  await generator.stop()
}

const perSecond = ({ results }: Side) => results.map((result) => result.perSecond)

/** How many times as many requests the first one took a second, by round. */
export function rateRatios(one: Side, other: Side): number[] {
  const others = perSecond(other)
  return perSecond(one).map((rate, round) => rate / (others[round] ?? Number.NaN))
}

/** CPU time for one request, by round; in µs. */
export function cpuMicros({ results, cores }: Side): number[] {
  return results.map((result, round) => ((cores[round] ?? Number.NaN) / result.perSecond) * 1e6)
}

export function describe(side: Side): string {
  const p50 = median(side.results.map((result) => result.p50Ms))
  const p99 = median(side.results.map((result) => result.p99Ms))
  return `${Math.round(median(perSecond(side)))}/s (p50 ${p50} ms, p99 ${p99} ms)`
}
