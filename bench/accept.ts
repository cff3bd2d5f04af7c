import { z } from 'zod'
import type { Store } from './accept-server.ts'
import { startPostgres } from './postgres.ts'
import { redisVersion, startRedis } from './redis.ts'
import { CONNECTIONS, describe, inRounds, REQUESTS_A_ROUND, rateRatios, type Side, sideOf } from './rounds.ts'
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

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 7)
const ROUNDS_WHILE_WORKING = Math.min(3, ROUNDS)
const AIM = 0.5
const AIM_P99_MS = 20

/**
 * Signed, durable accepts per second, compared with the limit of the disk and with job queues behind the same route. All
 * servers and the load generator run in separate processes. Rounds alternate between the servers.
 */
export function accept(): Promise<Figure[]> {
  return withBench(async (bench) => {
    const redis = redisVersion()
    const limit = await start(bench, 'file', bench.folder)
    const queues = new Map([
      ['pg-boss `send` on PostgreSQL', await start(bench, 'pg-boss', (await startPostgres(bench)).url)],
    ])
    if (redis !== null) {
      const name = `BullMQ \`add\` on Redis ${redis} with \`appendfsync always\``
      queues.set(name, await start(bench, 'bullmq', await startRedis(bench)))
    }
    const working = await compare(bench, ROUNDS_WHILE_WORKING, { REVOKE_CONCURRENCY: '16' }, [limit])
    const whileWorking = spread(rateRatios(working.ours, limit), 2)
    limit.results.length = 0
    limit.cores.length = 0
    const { ours, memory } = await compare(bench, ROUNDS, { QLIK_TIER1_LIMIT: '100' }, [
      limit,
      ...queues.values(),
    ])
    const p99 = median(ours.results.map(({ p99Ms }) => p99Ms))
    return [
      {
        name: 'Signed, durable accepts per second, relative to the limit of the disk',
        measured: `${spread(rateRatios(ours, limit), 2)}: ${describe(ours)} against ${describe(limit)}`,
        aim: `≥ ${AIM}, p99 ≤ ${AIM_P99_MS} ms`,
        met: median(rateRatios(ours, limit)) >= AIM && p99 <= AIM_P99_MS,
        note:
          'The limit is a Fastify that parses the same JSON, appends it to a file, and answers after an `fdatasync` that it shares with the signals that arrived with it. ' +
          `${ROUNDS} rounds of ${REQUESTS_A_ROUND} requests over ${CONNECTIONS} connections, each with its own user, id and signature. ` +
          'The worker waits for its budget, as in every burst longer than a few seconds. ' +
          `Cores used, service, limit, load generator: ${[ours.cores, limit.cores, limit.results.map((result) => result.generatorCores)].map((cores) => median(cores).toFixed(2)).join(', ')}. ` +
          `Resident memory of the service: ${memory}. If the worker ends revocations as fast as it can, with a tenant that responds after 50 ms ` +
          `and no limits: ${whileWorking}.`,
      },
      ...[...queues].map(([name, side]) => queueFigure(name, side, limit)),
      ...(redis === null ? [NO_REDIS] : []),
    ]
  })
}

async function start(bench: Bench, store: Store, place: string): Promise<Side> {
  return sideOf(await startChild(bench, 'bench/accept-server.ts', { args: [store, place] }))
}

function queueFigure(name: string, side: Side, limit: Side): Figure {
  return {
    name: `Accepts per second of ${name} behind the same route, relative to the limit of the disk`,
    measured: `${spread(rateRatios(side, limit), 2)}: ${describe(side)}`,
    aim: 'none',
    met: true,
    note: `The same rounds. One job for each signal, without a check of its signature. Cores used by the process: ${median(side.cores).toFixed(2)}.`,
  }
}

const NO_REDIS: Figure = {
  name: 'Accepts per second of BullMQ `add` behind the same route',
  measured: 'not measured',
  aim: 'none',
  met: true,
  note: 'redis-server is not installed.',
}

async function compare(
  bench: Bench,
  rounds: number,
  environment: Record<string, string>,
  others: readonly Side[],
) {
  const tenant = await startTenant(bench, { latencyMs: 50 })
  const ours = sideOf(await startService(bench, tenant.url, environment))
  await inRounds(bench, rounds, [ours, ...others])
  const accepted = (rounds + 1) * REQUESTS_A_ROUND
  await allAccepted(ours.child, accepted)
  const memory = `${memoryMb(ours.child, 'VmRSS').toFixed(0)} MB after ${accepted} accepts`
  for (const child of [ours.child, tenant]) await child.stop()
  return { memory, ours }
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
