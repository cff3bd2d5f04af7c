import { z } from 'zod'
import { type LoadOrder, type LoadResult, LoadResults } from './load-generator.ts'
import {
  ask,
  type Bench,
  type Child,
  call,
  cpuMs,
  type Figure,
  median,
  memoryMb,
  print,
  signedLogout,
  spread,
  startChild,
  startService,
  withBench,
} from './support.ts'
import { startTenant } from './tenant.ts'

const CONNECTIONS = 64
const REQUESTS_A_ROUND = 9_600
const ROUNDS = 7
const AIM = 0.5

interface Side {
  child: Child
  results: LoadResult[]
  /** CPU time a second of load, by round. */
  cores: number[]
}

/**
 * Signed, durable accepts a second, beside a bare Fastify that is sent the very same requests. Both servers and the
 * load generator are processes of their own; rounds alternate, and which server comes first alternates, too.
 */
export function accept(): Promise<Figure[]> {
  return withBench(async (bench) => {
    const waiting = await compare(bench, ROUNDS, { QLIK_TIER1_LIMIT: '100' })
    const working = await compare(bench, 3, { REVOKE_CONCURRENCY: '16' })
    return [
      {
        name: 'Accepts a second, signed and durable, to a bare Fastify POST of the same JSON',
        measured: `${spread(waiting.ratios, 2)}: ${waiting.rates}`,
        aim: `≥ ${AIM}`,
        met: median(waiting.ratios) >= AIM,
        note:
          `${ROUNDS} rounds of ${REQUESTS_A_ROUND} requests over ${CONNECTIONS} connections, each with its own user, id and signature. ` +
          'Meanwhile the worker waits for its budget, as in every burst that lasts longer than some seconds. ' +
          `${waiting.cores}. Resident memory of the service: ${waiting.memory}. While the worker ends revocations as fast as it can, with a tenant that answers after 50 ms ` +
          `and no limits: ${spread(working.ratios, 2)}.`,
      },
    ]
  })
}

async function compare(bench: Bench, rounds: number, environment: Record<string, string>) {
  const tenant = await startTenant(bench, { latencyMs: 50 })
  const service = await startService(bench, tenant.url, environment)
  const bare = await startChild(bench, 'bench/bare-server.ts')
  const generator = await startChild(bench, 'bench/load-generator.ts')
  const ours: Side = { child: service, results: [], cores: [] }
  const theirs: Side = { child: bare, results: [], cores: [] }
  for (let round = 0; round <= rounds; round += 1) {
    const order = round % 2 === 0 ? [ours, theirs] : [theirs, ours]
    await oneRound(generator, order)
    if (round === 0) for (const side of order) side.results.length = side.cores.length = 0
  }
  const accepted = (rounds + 1) * REQUESTS_A_ROUND
  await allAccepted(service, accepted)
  const memory = `${memoryMb(service, 'VmRSS').toFixed(0)} MB after ${accepted} accepts`
  for (const child of [generator, bare, service, tenant]) await child.stop()
  const ratios = ours.results.map((one, round) => one.perSecond / (theirs.results[round]?.perSecond ?? 0))
  return {
    ratios,
    memory,
    rates: `${describe(ours)} to ${describe(theirs)}`,
    cores:
      `Cores used, service, bare, load generator: ${median(ours.cores).toFixed(2)}, ${median(theirs.cores).toFixed(2)}, ` +
      `${median(theirs.results.map((result) => result.generatorCores)).toFixed(2)}`,
  }
}

/** The same requests to one server and then to the other. */
async function oneRound(generator: Child, sides: Side[]): Promise<void> {
  const requests = Array.from({ length: REQUESTS_A_ROUND }, () => signedLogout())
  for (const { child, results, cores } of sides) {
    const before = cpuMs(child)
    const order: LoadOrder = { urls: [child.url], requests, connections: CONNECTIONS }
    const [result] = LoadResults.parse(await ask(generator, order, 60_000))
    if (!result) throw new Error('The load generator told no result.')
    results.push(result)
    cores.push((cpuMs(child) - before) / result.durationMs)
  }
}

const describe = ({ results }: Side) =>
  `${Math.round(median(results.map((result) => result.perSecond)))}/s ` +
  `(p50 ${median(results.map((result) => result.p50Ms))} ms, p99 ${median(results.map((result) => result.p99Ms))} ms)`

/** What was answered with 202 was counted as accepted, each of it anew. */
async function allAccepted(service: Child, count: number): Promise<void> {
  const { json } = await call(service.url, 'GET', '/metrics')
  const line = /^curfew_signals_total\{source="logout-hook",result="accepted"\} (\d+)/m.exec(
    z.string().parse(json),
  )
  if (Number(line?.[1]) !== count) throw new Error(`Accepted ${line?.[1]}, not ${count}.`)
}

if (import.meta.main) await print(accept())
