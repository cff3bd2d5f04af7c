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

/** In a region nearby, and a tenant that leaves its callers hardly any time. */
const LATENCIES_MS = [50, 20] as const
const CONCURRENCY = 16
const TOKENS = 500
const USERS = 100
const RUNS = 5
const IDLE_RUNS = 200
/** Before the confirming listings of the first ones are due, 5 s after them. */
const IDLE_FOR_MS = 4_000
const WARM_UP_RUNS = 300
const IDLE_AIM_MS = 10
const BULK_AIM = 1.1

/**
 * List all pages, 500 revocations by 16 at once, list again: answers one after the other that no service that lists
 * everything first could do without.
 */
const answersInARow = (pages: number) => pages + Math.ceil(TOKENS / CONCURRENCY) + 1
const PAGES = Math.ceil(TOKENS / 100)

/** How long it takes from a logout to the first listing without one of its tokens. */
export function revoke(): Promise<Figure[]> {
  return withBench(async (bench) => [await idle(bench), ...(await many(bench))])
}

async function idle(bench: Bench): Promise<Figure> {
  const results: IdleRuns[] = []
  for (const latencyMs of [LATENCIES_MS[1], 0]) results.push(await idleRuns(bench, latencyMs))
  const describe = (part: 'told' | 'asked') =>
    results
      .map(({ latencyMs, [part]: times }) => {
        const [middle, late] = [median(times), quantile(times, 0.99)].map((ms) => ms.toFixed(1))
        return `${middle} ms, p99 ${late} ms (latency ${latencyMs} ms)`
      })
      .join('; ')
  return {
    name: "Accept to completed, one user with 3 tokens, idle, less the tenant's own answer times",
    measured: describe('told'),
    aim: `≤ ${IDLE_AIM_MS} ms`,
    met: results.every(({ told }) => median(told) <= IDLE_AIM_MS),
    note:
      `${IDLE_RUNS} signed logouts, one after the other with pauses, after ${WARM_UP_RUNS} to warm up, while no confirming listing is due; from \`acceptedAt\` to ` +
      '`completedAt`, as the service tells them in whole ms. Taken off is what the tenant measured itself, from the arrival of a call to ' +
      'the end of its answer: list, the slowest of three revocations, list again. Latency is what the tenant waits before each answer. ' +
      `As the caller sees it, from sending the request with \`Prefer: wait\` to having read its answer: ${describe('asked')}.`,
  }
}

interface IdleRuns {
  latencyMs: number
  /** As the caller sees it, in ms. */
  asked: number[]
  /** As the service tells it, in whole ms. */
  told: number[]
}

async function idleRuns(bench: Bench, latencyMs: number): Promise<IdleRuns> {
  const tenant = await startTenant(bench, { latencyMs })
  const service = await startService(bench, tenant.url)
  for (let run = 0; run < WARM_UP_RUNS; run += 50) {
    const users = await usersWithTokens(tenant, 50, 3)
    await allVerified(service, await Promise.all(users.map((userId) => untilCompleted(service, userId, 3))))
  }
  const asked: number[] = []
  const told: number[] = []
  while (asked.length < IDLE_RUNS) {
    const completed: Completed[] = []
    const busyAt = performance.now() + IDLE_FOR_MS
    while (asked.length < IDLE_RUNS && performance.now() < busyAt) {
      const userId = await tenant.userWithTokens(3)
      await tenant.calls()
      await sleep(10)
      const before = performance.now()
      const ended = await untilCompleted(service, userId, 3)
      const ms = performance.now() - before
      const tenantMs = criticalPathMs(await tenant.calls())
      asked.push(ms - tenantMs)
      told.push(Date.parse(ended.completedAt) - Date.parse(ended.acceptedAt) - tenantMs)
      completed.push(ended)
    }
    await allVerified(service, completed)
  }
  await service.stop()
  await tenant.stop()
  return { latencyMs, asked, told }
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
      runs: await manyRuns(bench, tenant, answersInARow(PAGES), async (service) => {
        const userId = await tenant.userWithTokens(TOKENS)
        return () => timeOfOne(service, userId)
      }),
    })
    several.push({
      latencyMs,
      runs: await manyRuns(bench, tenant, answersInARow(1), async (service) => {
        const users = await usersWithTokens(tenant, USERS, TOKENS / USERS)
        return () => bulkTime(service, users, answersInARow(1) * latencyMs)
      }),
    })
    await tenant.stop()
  }
  return [
    figure(`${TOKENS} tokens of one user, to what latency and concurrency allow`, PAGES, one),
    figure(
      `${USERS} users with ${TOKENS / USERS} tokens each, to what latency and concurrency allow`,
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
    `${median(runs.map(({ idealMs }) => idealMs)).toFixed(0)} ms (by the nominal ${latencyMs} ms: ${answersInARow(pages) * latencyMs} ms)`
  const measured = (result: Runs) =>
    `${spread(ratiosOf(result), 2)}, ${median(result.runs.map(({ ms }) => ms)).toFixed(0)} ms (latency ${result.latencyMs} ms)`
  return {
    name,
    measured: results.map(measured).join('; '),
    aim: `≤ ${BULK_AIM}`,
    met: results.every((result) => median(ratiosOf(result)) <= BULK_AIM),
    note:
      `${RUNS} runs of one process, after one to warm up. The ideal is (${pages} + ⌈${TOKENS} / ${CONCURRENCY}⌉ + 1) answers of the tenant in a row ` +
      `(list all pages, revoke by REVOKE_CONCURRENCY=${CONCURRENCY}, list again), by the mean answer time that it measured itself: ` +
      `${results.map(ideal).join('; ')}. The limit of Tier 2 is lifted, since with 500 one permit goes to the access token.${note}`,
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

/** By the service's own times: a hundred callers who wait would be work of their own. Both clocks are this machine's. */
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
