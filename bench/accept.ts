import { z } from 'zod'
import { CONNECTIONS, describe, inRounds, REQUESTS_A_ROUND, rateRatios, sideOf } from './rounds.ts'
import {
  type Bench,
  type Child,
  call,
  type Figure,
  median,
  memoryMb,
  print,
  spread,
  startChild,
  startService,
  withBench,
} from './support.ts'
import { startTenant } from './tenant.ts'

const ROUNDS = 7
const AIM = 0.5

/**
 * Signed, durable accepts per second, compared with a bare Fastify that receives the same requests. Both servers and the
 * load generator run in separate processes. Rounds alternate between the servers, and so does which one comes first.
 */
export function accept(): Promise<Figure[]> {
  return withBench(async (bench) => {
    const waiting = await compare(bench, ROUNDS, { QLIK_TIER1_LIMIT: '100' })
    const working = await compare(bench, 3, { REVOKE_CONCURRENCY: '16' })
    return [
      {
        name: 'Signed, durable accepts per second, relative to a bare Fastify POST of the same JSON',
        measured: `${spread(waiting.ratios, 2)}: ${waiting.rates}`,
        aim: `≥ ${AIM}`,
        met: median(waiting.ratios) >= AIM,
        note:
          `${ROUNDS} rounds of ${REQUESTS_A_ROUND} requests over ${CONNECTIONS} connections, each with its own user, id and signature. ` +
          'The worker waits for its budget, as in every burst longer than a few seconds. ' +
          `${waiting.cores}. Resident memory of the service: ${waiting.memory}. If the worker ends revocations as fast as it can, with a tenant that responds after 50 ms ` +
          `and no limits: ${spread(working.ratios, 2)}.`,
      },
    ]
  })
}

async function compare(bench: Bench, rounds: number, environment: Record<string, string>) {
  const tenant = await startTenant(bench, { latencyMs: 50 })
  const ours = sideOf(await startService(bench, tenant.url, environment))
  const theirs = sideOf(await startChild(bench, 'bench/bare-server.ts'))
  await inRounds(bench, rounds, [ours, theirs])
  const accepted = (rounds + 1) * REQUESTS_A_ROUND
  await allAccepted(ours.child, accepted)
  const memory = `${memoryMb(ours.child, 'VmRSS').toFixed(0)} MB after ${accepted} accepts`
  for (const child of [theirs.child, ours.child, tenant]) await child.stop()
  return {
    memory,
    ratios: rateRatios(ours, theirs),
    rates: `${describe(ours)} against ${describe(theirs)}`,
    cores:
      `Cores used, service, bare, load generator: ${median(ours.cores).toFixed(2)}, ${median(theirs.cores).toFixed(2)}, ` +
      `${median(theirs.results.map((result) => result.generatorCores)).toFixed(2)}`,
  }
}

/** Every request answered with 202 must be counted as accepted, none as a repetition. */
async function allAccepted(service: Child, count: number): Promise<void> {
  const { json } = await call(service.url, 'GET', '/metrics')
  const line = /^curfew_signals_total\{source="logout-hook",result="accepted"\} (\d+)/m.exec(
    z.string().parse(json),
  )
  if (Number(line?.[1]) !== count) throw new Error(`Accepted ${line?.[1]}, not ${count}.`)
}

if (import.meta.main) await print(accept())
