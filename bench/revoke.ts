import { z } from 'zod'
import {
  type Bench,
  type Child,
  type Completed,
  call,
  type Figure,
  median,
  print,
  quantile,
  sleep,
  spread,
  startService,
  untilCompleted,
  untilVerified,
  withBench,
} from './support.ts'
import { startTenant, type Tenant, type TenantCall } from './tenant.ts'

/** A tenant in a nearby region, and a very fast one. */
const LATENCIES_MS = [50, 20] as const
const CONCURRENCY = 16
const TOKENS = 500
const USERS = 100
const RUNS = 5
const IDLE_RUNS = 200
/** Shorter than the 5 s after which the first confirming listings are due. */
const IDLE_FOR_MS = 4_000
const WARM_UP_RUNS = 300
const IDLE_AIM_MS = 10
const BULK_AIM = 1.1

/**
 * List all pages, revoke 500 tokens with 16 calls at once, list again: the minimum of consecutive responses for any service
 * that lists everything first.
 */
const responsesInARow = (pages: number) => pages + Math.ceil(TOKENS / CONCURRENCY) + 1
const PAGES = Math.ceil(TOKENS / 100)

/** Time from a logout to the first listing without the user's tokens. */
export function revoke(): Promise<Figure[]> {
  return withBench(async (bench) => [await idle(bench), ...(await many(bench))])
}

async function idle(bench: Bench): Promise<Figure> {
  const results: IdleRuns[] = []
  for (const latencyMs of [LATENCIES_MS[1], 0]) results.push(await idleRuns(bench, latencyMs))
  const describe = (part: 'reported' | 'observed') =>
    results
      .map(({ latencyMs, [part]: times }) => {
        const [middle, late] = [median(times), quantile(times, 0.99)].map((ms) => ms.toFixed(1))
        return `${middle} ms, p99 ${late} ms (latency ${latencyMs} ms)`
      })
      .join('; ')
  return {
    name: "Accept to completed, one user with 3 tokens, idle, without the tenant's response times",
    measured: describe('reported'),
    aim: `≤ ${IDLE_AIM_MS} ms`,
    met: results.every(({ reported }) => median(reported) <= IDLE_AIM_MS),
    note:
      `${IDLE_RUNS} signed logouts, one after the other with pauses, after ${WARM_UP_RUNS} to warm up, while no confirming listing is due; from \`acceptedAt\` to ` +
      '`completedAt`, which the service reports in whole ms. Subtracted are the times that the tenant measured from the arrival of a call to ' +
      'the end of its response: list, the slowest of three revocations, list again. Latency: how long the tenant waits before each response. ' +
      `For the caller, from sending the request with \`Prefer: wait\` to reading its answer: ${describe('observed')}.`,
  }
}

interface IdleRuns {
  latencyMs: number
  /** Measured by the caller, in ms. */
  observed: number[]
  /** Reported by the service, in whole ms. */
  reported: number[]
}

async function idleRuns(bench: Bench, latencyMs: number): Promise<IdleRuns> {
  const tenant = await startTenant(bench, { latencyMs })
  const service = await startService(bench, tenant.url)
  for (let run = 0; run < WARM_UP_RUNS; run += 50) {
    const users = await usersWithTokens(tenant, 50, 3)
    await allVerified(service, await Promise.all(users.map((userId) => untilCompleted(service, userId, 3))))
  }
  const observed: number[] = []
  const reported: number[] = []
  while (observed.length < IDLE_RUNS) {
    const completed: Completed[] = []
    const busyAt = performance.now() + IDLE_FOR_MS
    while (observed.length < IDLE_RUNS && performance.now() < busyAt) {
      const userId = await tenant.userWithTokens(3)
      await tenant.calls()
      await sleep(10)
      const before = performance.now()
      const ended = await untilCompleted(service, userId, 3)
      const ms = performance.now() - before
      const tenantMs = criticalPathMs(await tenant.calls())
      observed.push(ms - tenantMs)
      reported.push(Date.parse(ended.completedAt) - Date.parse(ended.acceptedAt) - tenantMs)
      completed.push(ended)
    }
    await allVerified(service, completed)
  }
  await service.stop()
  await tenant.stop()
  return { latencyMs, observed, reported }
}

async function allVerified(service: Child, completed: Completed[]): Promise<void> {
  for (const { id } of completed) await untilVerified(service, id)
}

function criticalPathMs(calls: TenantCall[]): number {
  const of = (route: string) => calls.filter((one) => one.route === route).map(({ ms }) => ms)
  return of('list').reduce((sum, ms) => sum + ms, 0) + Math.max(...of('revoke'))
}

async function many(bench: Bench): Promise<Figure[]> {
  const one: Runs[] = []
  const several: Runs[] = []
  for (const latencyMs of LATENCIES_MS) {
    const tenant = await startTenant(bench, { latencyMs })
    one.push({
      latencyMs,
      runs: await manyRuns(bench, tenant, responsesInARow(PAGES), async (service) => {
        const userId = await tenant.userWithTokens(TOKENS)
        return () => timeOfOne(service, userId)
      }),
    })
    several.push({
      latencyMs,
      runs: await manyRuns(bench, tenant, responsesInARow(1), async (service) => {
        const users = await usersWithTokens(tenant, USERS, TOKENS / USERS)
        return () => bulkTime(service, users, responsesInARow(1) * latencyMs)
      }),
    })
    await tenant.stop()
  }
  return [
    figure(`${TOKENS} tokens of one user, relative to what latency and concurrency allow`, PAGES, one),
    figure(
      `${USERS} users with ${TOKENS / USERS} tokens each, relative to what latency and concurrency allow`,
      1,
      several,
      ' From sending the bulk request to the last `completedAt`.',
    ),
  ]
}

interface Run {
  ms: number
  idealMs: number
}

interface Runs {
  latencyMs: number
  runs: Run[]
}

const ratiosOf = ({ runs }: Runs) => runs.map(({ ms, idealMs }) => ms / idealMs)

function figure(name: string, pages: number, results: Runs[], note = ''): Figure {
  const ideal = ({ latencyMs, runs }: Runs) =>
    `${median(runs.map(({ idealMs }) => idealMs)).toFixed(0)} ms (at the nominal ${latencyMs} ms: ${responsesInARow(pages) * latencyMs} ms)`
  const measured = (result: Runs) =>
    `${spread(ratiosOf(result), 2)}, ${median(result.runs.map(({ ms }) => ms)).toFixed(0)} ms (latency ${result.latencyMs} ms)`
  return {
    name,
    measured: results.map(measured).join('; '),
    aim: `≤ ${BULK_AIM}`,
    met: results.every((result) => median(ratiosOf(result)) <= BULK_AIM),
    note:
      `${RUNS} runs of one process, after one to warm up. The ideal is (${pages} + ⌈${TOKENS} / ${CONCURRENCY}⌉ + 1) consecutive responses of the tenant ` +
      `(list all pages, revoke with REVOKE_CONCURRENCY=${CONCURRENCY}, list again), at the mean response time that the tenant measured: ` +
      `${results.map(ideal).join('; ')}. The Tier 2 limit is lifted, because the access token takes one of 500 permits.${note}`,
  }
}

async function manyRuns(
  bench: Bench,
  tenant: Tenant,
  answers: number,
  prepare: (service: Child) => Promise<() => Promise<number>>,
): Promise<Run[]> {
  const service = await startService(bench, tenant.url, { REVOKE_CONCURRENCY: String(CONCURRENCY) })
  const runs: Run[] = []
  for (let run = 0; run <= RUNS; run += 1) {
    const work = await prepare(service)
    await tenant.calls()
    const ms = await work()
    const revoked = (await tenant.calls()).filter(({ route }) => route === 'revoke')
    runs.push({ ms, idealMs: answers * mean(revoked.map((call) => call.ms)) })
  }
  await service.stop()
  return runs.slice(1)
}

async function usersWithTokens(tenant: Tenant, users: number, tokens: number): Promise<string[]> {
  const ids: string[] = []
  for (let user = 0; user < users; user += 1) ids.push(await tenant.userWithTokens(tokens))
  return ids
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

async function timeOfOne(service: Child, userId: string): Promise<number> {
  const before = performance.now()
  const { id } = await untilCompleted(service, userId, TOKENS)
  const ms = performance.now() - before
  await untilVerified(service, id)
  return ms
}

const Accepted = z.object({ items: z.array(z.object({ revocation: z.object({ id: z.string() }) })) })

/** Uses the service's times: a hundred waiting callers would add load. Both processes share this machine's clock. */
async function bulkTime(service: Child, userIds: string[], atLeastMs: number): Promise<number> {
  const before = Date.now()
  const users = userIds.map((userId) => ({ userId }))
  const { json } = await call(service.url, 'POST', '/revocations', { body: { users, reason: 'logout' } })
  await sleep(atLeastMs)
  let endedAt = 0
  let revoked = 0
  for (const { revocation } of Accepted.parse(json).items) {
    const { completedAt, tokens } = await untilVerified(service, revocation.id)
    endedAt = Math.max(endedAt, Date.parse(completedAt))
    revoked += tokens.revoked
  }
  if (revoked !== TOKENS) throw new Error('Not every token was revoked.')
  return endedAt - before
}

if (import.meta.main) await print(revoke())
