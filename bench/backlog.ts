import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import {
  type Bench,
  type Child,
  call,
  type Figure,
  median,
  memoryMb,
  print,
  sleep,
  spread,
  startService,
  withBench,
} from './support.ts'
import { startTenant } from './tenant.ts'

const BACKLOG = 100_000
const USERS_A_REQUEST = 1_000
const STARTS = 5
const AIM_MB = 150
const AIM_MS = 1_000
/** Longer than the 10 s after which calls to an unresponsive tenant time out. */
const SETTLED_AFTER_MS = 12_000
const NEVER_MS = 600_000

interface Memory {
  settledMb: number
  highestMb: number
}

/** A growing backlog, with a tenant that accepts calls and never responds. */
export function backlog(): Promise<Figure[]> {
  return withBench(async (bench) => {
    const tenant = await startTenant(bench, { latencyMs: NEVER_MS })
    const database = `sqlite:${join(bench.folder, 'backlog.db')}`
    const start = () => startService(bench, tenant.url, { DATABASE_URL: database })

    const first = await start()
    await fill(first)
    const filler = await settle(first)
    await first.stop()

    const starts: number[] = []
    for (let run = 0; run < STARTS; run += 1) {
      const before = performance.now()
      const service = await start()
      await untilReady(service)
      starts.push(performance.now() - before)
      await service.stop()
    }
    const restarted = await settle(await start())
    return [memoryFigure(filler, restarted), startFigure(starts, await emptyStart(bench, tenant.url))]
  })
}

function memoryFigure(filler: Memory, restarted: Memory): Figure {
  const describe = ({ settledMb, highestMb }: Memory) =>
    `${settledMb.toFixed(0)} MB (highest ${highestMb.toFixed(0)})`
  return {
    name: `Resident memory with ${BACKLOG} queued revocations`,
    measured: `${describe(restarted)} after a start with them; ${describe(filler)} after accepting them`,
    aim: `≤ ${AIM_MB} MB`,
    met: Math.max(filler.settledMb, restarted.settledMb) <= AIM_MB,
    note:
      `VmRSS (and VmHWM) ${SETTLED_AFTER_MS / 1000} s later, with a tenant that never responds. They arrived in ` +
      `${BACKLOG / USERS_A_REQUEST} bulk requests, one after the other.`,
  }
}

function startFigure(starts: number[], empty: number): Figure {
  return {
    name: 'Start to ready with that backlog',
    measured: spread(starts, 0, ' ms'),
    aim: `≤ ${AIM_MS} ms`,
    met: median(starts) <= AIM_MS,
    note:
      `From spawning the process to reading the first 200 from /health/ready; ${STARTS} starts. ` +
      `With an empty database: ${empty.toFixed(0)} ms.`,
  }
}

async function fill({ url }: Child): Promise<void> {
  for (let sent = 0; sent < BACKLOG; sent += USERS_A_REQUEST) {
    const users = Array.from({ length: USERS_A_REQUEST }, () => ({ userId: randomUUID() }))
    const { status } = await call(url, 'POST', '/revocations', { body: { users, reason: 'logout' } })
    if (status !== 202) throw new Error(`Expected 202, got ${status}.`)
  }
}

/** The memory after a while, and its peak since the process started. */
async function settle(service: Child): Promise<Memory> {
  await sleep(SETTLED_AFTER_MS)
  const memory = { settledMb: memoryMb(service, 'VmRSS'), highestMb: memoryMb(service, 'VmHWM') }
  const { json } = await call(service.url, 'GET', '/metrics')
  const counts = z
    .string()
    .parse(json)
    .matchAll(/^curfew_backlog\{.*\} (\d+)$/gm)
  const queued = [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
  if (queued !== BACKLOG) throw new Error(`The backlog is ${queued}, not ${BACKLOG}.`)
  return memory
}

async function emptyStart(bench: Bench, tenantUrl: string): Promise<number> {
  const starts: number[] = []
  for (let run = 0; run < STARTS; run += 1) {
    const before = performance.now()
    const service = await startService(bench, tenantUrl)
    await untilReady(service)
    starts.push(performance.now() - before)
    await service.stop()
  }
  return median(starts)
}

async function untilReady({ url }: Child): Promise<void> {
  while ((await call(url, 'GET', '/health/ready')).status !== 200) await sleep(1)
}

if (import.meta.main) await print(backlog())
