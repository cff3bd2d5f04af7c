import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { Probed } from './loop-probe.ts'
import { describe, inRounds, rateRatios, sideOf } from './rounds.ts'
import {
  ask,
  type Bench,
  type Child,
  call,
  type Figure,
  median,
  memoryMb,
  print,
  quantile,
  sleep,
  spread,
  startService,
  withBench,
} from './support.ts'
import { startTenant } from './tenant.ts'

const QUEUED = 1_000_000
const USERS_A_REQUEST = 1_000
const ROUNDS = 5
const STARTS = 3
/** `/metrics`, `/health/ready` and `/status` compute the first 20 answers, and share the next ones. */
const READS = 20
const GETS = 1_000
const NEVER_MS = 600_000
/** Longer than the 10 s after which calls to an unresponsive tenant time out. */
const SETTLED_AFTER_MS = 12_000
const PROBE = `--import=${new URL('loop-probe.ts', import.meta.url)}`
const AIM = { memoryMb: 220, readMs: 10, loopMs: 50, startMs: 2_000, singleRatio: 0.8 }

/** A large backlog on SQLite, with a tenant that accepts calls and never responds. */
export function million(count = QUEUED): Promise<Figure[]> {
  return withBench(async (bench) => {
    const tenant = await startTenant(bench, { latencyMs: NEVER_MS })
    const path = join(bench.folder, 'million.db')
    // Without a limit for mass revocation: one sender names more users than the largest limit allows.
    const start = (databaseUrl: string) =>
      startService(bench, tenant.url, {
        ...{ DATABASE_URL: databaseUrl, MASS_REVOCATION_USERS: '0', NODE_OPTIONS: PROBE },
      })
    const full = await start(`sqlite:${path}`)
    await probe(full)
    const bulk = await fill(full, count)
    const burst = await probe(full)
    const peakMb = memoryMb(full, 'VmHWM')
    await sleep(SETTLED_AFTER_MS)
    const afterBurstMb = memoryMb(full, 'VmRSS')
    const reads = await readAll(full, bulk.ids)
    const singles = await compareSingles(bench, full, await start(`sqlite:${join(bench.folder, 'empty.db')}`))
    const afterSinglesMb = memoryMb(full, 'VmRSS')
    await full.stop()

    const starts: number[] = []
    for (let run = 0; run < STARTS; run += 1) {
      const before = performance.now()
      const service = await start(`sqlite:${path}`)
      while ((await call(service.url, 'GET', '/health/ready')).status !== 200) await sleep(1)
      starts.push(performance.now() - before)
      if (run < STARTS - 1) await service.stop()
      else await sleep(SETTLED_AFTER_MS)
      if (run === STARTS - 1) {
        const restartedMb = memoryMb(service, 'VmRSS')
        const { heapMb, externalMb } = await probe(service)
        return [
          {
            name: `Resident memory with ${count} queued revocations`,
            measured:
              `${restartedMb.toFixed(0)} MB after a start; ${afterBurstMb.toFixed(0)} MB after accepting them in a burst ` +
              `(highest ${peakMb.toFixed(0)}); ${afterSinglesMb.toFixed(0)} MB after further single accepts`,
            aim: `≤ ${AIM.memoryMb} MB`,
            met: Math.max(restartedMb, afterBurstMb, afterSinglesMb) <= AIM.memoryMb,
            note:
              `VmRSS ${SETTLED_AFTER_MS / 1000} s later. JavaScript heap and external memory after the burst: ` +
              `${burst.heapMb.toFixed(0)} and ${burst.externalMb.toFixed(0)} MB; after a start: ${heapMb.toFixed(0)} and ` +
              `${externalMb.toFixed(0)} MB. Database: ${(statSync(path).size / 1e6).toFixed(0)} MB.`,
          },
          {
            name: 'Event-loop delay during bulk accepts',
            measured: `p50 ${burst.p50Ms.toFixed(0)} ms, p99 ${burst.p99Ms.toFixed(0)} ms, highest ${burst.highestMs.toFixed(0)} ms`,
            aim: `p99 ≤ ${AIM.loopMs} ms`,
            met: burst.p99Ms <= AIM.loopMs,
            note: `${count / USERS_A_REQUEST} requests of ${USERS_A_REQUEST} users, one after the other: ${bulk.firstPerSecond.toFixed(0)} accepts/s in the first tenth, ${bulk.lastPerSecond.toFixed(0)} in the last.`,
          },
          ...reads,
          singles,
          {
            name: 'Start to ready with that backlog',
            measured: spread(starts, 0, ' ms'),
            aim: `≤ ${AIM.startMs} ms`,
            met: median(starts) <= AIM.startMs,
            note: `From spawning the process to reading the first 200 from /health/ready; ${STARTS} starts.`,
          },
        ]
      }
    }
    return []
  })
}

async function probe(service: Child): Promise<Probed> {
  return Probed.parse(await ask(service, { probe: true }))
}

const Accepted = z.object({ items: z.array(z.object({ revocation: z.object({ id: z.string() }) })) })

async function fill({ url }: Child, count: number) {
  const ids: string[] = []
  const took: number[] = []
  for (let sent = 0; sent < count; sent += USERS_A_REQUEST) {
    const users = Array.from({ length: USERS_A_REQUEST }, () => ({ userId: randomUUID() }))
    const before = performance.now()
    const { status, json } = await call(url, 'POST', '/revocations', { body: { users, reason: 'logout' } })
    took.push(performance.now() - before)
    if (status !== 202) throw new Error(`Expected 202, got ${status}.`)
    ids.push(
      ...Accepted.parse(json)
        .items.slice(0, 10)
        .map(({ revocation }) => revocation.id),
    )
  }
  const tenth = Math.ceil(took.length / 10)
  const rate = (some: number[]) =>
    (some.length * USERS_A_REQUEST * 1000) / some.reduce((sum, ms) => sum + ms, 0)
  return { ids, firstPerSecond: rate(took.slice(0, tenth)), lastPerSecond: rate(took.slice(-tenth)) }
}

async function readAll({ url }: Child, ids: readonly string[]): Promise<Figure[]> {
  const time = async (path: string) => {
    const before = performance.now()
    const { status } = await call(url, 'GET', path)
    if (status !== 200) throw new Error(`Expected 200 from ${path}, got ${status}.`)
    return performance.now() - before
  }
  const figures: Figure[] = []
  for (const path of ['/metrics', '/health/ready', '/status']) {
    const times: number[] = []
    for (let read = 0; read < READS; read += 1) times.push(await time(path))
    figures.push({
      name: `GET ${path} with that backlog`,
      measured: `p50 ${median(times).toFixed(1)} ms, highest ${Math.max(...times).toFixed(1)} ms`,
      aim: `≤ ${AIM.readMs} ms`,
      met: Math.max(...times) <= AIM.readMs,
      note: `${READS} requests, one after the other.`,
    })
  }
  const gets: number[] = []
  for (let read = 0; read < GETS; read += 1)
    gets.push(await time(`/revocations/${ids[Math.floor(Math.random() * ids.length)]}`))
  figures.push({
    name: 'GET /revocations/{id} with that backlog',
    measured: `p50 ${median(gets).toFixed(1)} ms, p99 ${quantile(gets, 0.99).toFixed(1)} ms`,
    aim: `p99 ≤ ${AIM.readMs} ms`,
    met: quantile(gets, 0.99) <= AIM.readMs,
    note: `${GETS} requests for random ids, one after the other.`,
  })
  return figures
}

async function compareSingles(bench: Bench, full: Child, empty: Child): Promise<Figure> {
  const [one, other] = [sideOf(full), sideOf(empty)]
  await inRounds(bench, ROUNDS, [one, other])
  await empty.stop()
  const ratios = rateRatios(one, other)
  return {
    name: 'Single signed accepts with that backlog, relative to an empty store',
    measured: `${spread(ratios, 2)}: ${describe(one)} against ${describe(other)}`,
    aim: `≥ ${AIM.singleRatio}`,
    met: median(ratios) >= AIM.singleRatio,
    note: `${ROUNDS} rounds, alternating between the two.`,
  }
}

if (import.meta.main) await print(million(Number(process.argv[2] ?? QUEUED)))
