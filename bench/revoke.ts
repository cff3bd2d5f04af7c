import { z } from 'zod'
import {
  type Bench,
  type Child,
  call,
  Ended,
  type Figure,
  median,
  print,
  quantile,
  request,
  signedLogout,
  sleep,
  spread,
  startService,
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
const WARM_UP_RUNS = 300
const IDLE_AIM_MS = 10
const BULK_AIM = 1.1

/** List, 500 revocations by 16 at once, list again: answers one after the other that no service could do without. */
const ANSWERS_IN_A_ROW = 1 + Math.ceil(TOKENS / CONCURRENCY) + 1

/** How long it takes from a logout to the last token gone, verified. */
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
    name: "Accept to verified, one user with 3 tokens, idle, less the tenant's own answer times",
    measured: describe('told'),
    aim: `≤ ${IDLE_AIM_MS} ms`,
    met: results.every(({ told }) => median(told) <= IDLE_AIM_MS),
    note:
      `${IDLE_RUNS} signed logouts, one after the other with pauses, after ${WARM_UP_RUNS} to warm up; from \`acceptedAt\` to ` +
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
    await Promise.all(users.map((userId) => untilVerified(service, userId, 3)))
  }
  const asked: number[] = []
  const told: number[] = []
  for (let run = 0; run < IDLE_RUNS; run += 1) {
    const userId = await tenant.userWithTokens(3)
    await tenant.calls()
    await sleep(10)
    const { ms, ended } = await timed(() => untilVerified(service, userId, 3))
    const tenantMs = criticalPathMs(await tenant.calls())
    asked.push(ms - tenantMs)
    told.push(Date.parse(ended.completedAt) - Date.parse(ended.acceptedAt) - tenantMs)
  }
  await service.stop()
  await tenant.stop()
  return { latencyMs, asked, told }
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
      runs: await manyRuns(bench, tenant, async (service) => {
        const userId = await tenant.userWithTokens(TOKENS)
        return async () => (await timed(() => untilVerified(service, userId, TOKENS))).ms
      }),
    })
    several.push({
      latencyMs,
      runs: await manyRuns(bench, tenant, async (service) => {
        const users = await usersWithTokens(tenant, USERS, TOKENS / USERS)
        return () => bulkTime(service, users, ANSWERS_IN_A_ROW * latencyMs)
      }),
    })
    await tenant.stop()
  }
  return [
    figure(`${TOKENS} tokens of one user, to what latency and concurrency allow`, one),
    figure(
      `${USERS} users with ${TOKENS / USERS} tokens each, to what latency and concurrency allow`,
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

function figure(name: string, results: Runs[], note = ''): Figure {
  const ideal = ({ latencyMs, runs }: Runs) =>
    `${median(runs.map(({ idealMs }) => idealMs)).toFixed(0)} ms (by the nominal ${latencyMs} ms: ${ANSWERS_IN_A_ROW * latencyMs} ms)`
  const measured = (result: Runs) =>
    `${spread(ratiosOf(result), 2)}, ${median(result.runs.map(({ ms }) => ms)).toFixed(0)} ms (latency ${result.latencyMs} ms)`
  return {
    name,
    measured: results.map(measured).join('; '),
    aim: `≤ ${BULK_AIM}`,
    met: results.every((result) => median(ratiosOf(result)) <= BULK_AIM),
    note:
      `${RUNS} runs of one process, after one to warm up. The ideal is (1 + ⌈${TOKENS} / ${CONCURRENCY}⌉ + 1) answers of the tenant in a row ` +
      `(list, revoke by REVOKE_CONCURRENCY=${CONCURRENCY}, list again), by the mean answer time that it measured itself: ` +
      `${results.map(ideal).join('; ')}. The limit of Tier 2 is lifted, since with 500 one permit goes to the access token.${note}`,
  }
}

async function manyRuns(
  bench: Bench,
  tenant: Tenant,
  prepare: (service: Child) => Promise<() => Promise<number>>,
): Promise<Run[]> {
  const service = await startService(bench, tenant.url, { REVOKE_CONCURRENCY: String(CONCURRENCY) })
  const runs: Run[] = []
  for (let run = 0; run <= RUNS; run += 1) {
    const work = await prepare(service)
    await tenant.calls()
    const ms = await work()
    const answers = (await tenant.calls()).filter(({ route }) => route === 'revoke')
    runs.push({ ms, idealMs: ANSWERS_IN_A_ROW * mean(answers.map((answer) => answer.ms)) })
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

async function timed(work: () => Promise<Ended>): Promise<{ ms: number; ended: Ended }> {
  const before = performance.now()
  const ended = await work()
  return { ms: performance.now() - before, ended }
}

async function untilVerified({ url }: Child, userId: string, revoked: number): Promise<Ended> {
  const { body, headers } = signedLogout(userId)
  const { json } = await request(url, 'POST', '/logout-hook', {
    body,
    headers: { ...headers, prefer: 'wait=30' },
  })
  const ended = Ended.parse(json)
  if (ended.tokens.revoked !== revoked) throw new Error('Not every token was revoked.')
  return ended
}

const Accepted = z.object({ items: z.array(z.object({ revocation: z.object({ id: z.string() }) })) })

/** By the service's own times: a hundred callers who wait would be work of their own. Both clocks are this machine's. */
async function bulkTime({ url }: Child, userIds: string[], atLeastMs: number): Promise<number> {
  const before = Date.now()
  const users = userIds.map((userId) => ({ userId }))
  const { json } = await call(url, 'POST', '/revocations', { body: { users, reason: 'logout' } })
  await sleep(atLeastMs)
  let endedAt = 0
  let revoked = 0
  for (const { revocation } of Accepted.parse(json).items) {
    const reply = await call(url, 'GET', `/revocations/${revocation.id}`, { headers: { prefer: 'wait=30' } })
    const ended = Ended.parse(reply.json)
    endedAt = Math.max(endedAt, Date.parse(ended.completedAt))
    revoked += ended.tokens.revoked
  }
  if (revoked !== TOKENS) throw new Error('Not every token was revoked.')
  return endedAt - before
}

if (import.meta.main) await print(revoke())
