import { z } from 'zod'
import { clientsOf, tenantWith } from './clients.ts'
import { availableAt, drain, fewestFirst, heavyTail, type Limit, mean, withReserve } from './order-model.ts'
import { startPostgres } from './postgres.ts'
import { startReplicas } from './replica.ts'
import { type Bench, call, type Figure, print, quantile, sleep, startService, withBench } from './support.ts'
import { startTenant } from './tenant.ts'

const USERS = Number(process.env.BENCH_USERS ?? 1_000)
/** Of each OAuth client. The first permit is used for the access token. */
const LIMIT: Limit = { permits: 50, windowMs: 2_000, used: 1 }
const CLIENTS = 4
/** Longer, because the first window is used before the sizes are known. */
const LONG_LIMIT: Limit = { ...LIMIT, windowMs: 10_000 }
/** A user with many tokens, before users with one token each. */
const BEFORE = 500
const OTHERS = 100
const REPLICAS = 3
const REPLICATED_USERS = 300
const LATENCY_MS = 5
const AIM_MEAN = 1.15
const AIM_REPLICAS = 1.25
const AIM_LAST = 1.02
const AIM_OTHERS = 0.07
const USERS_A_REQUEST = 1_000

interface Scenario {
  /** Tokens of each user, in the order of their logouts. */
  sizes: readonly number[]
  /** Of each OAuth client. */
  limit: Limit
  clients: number
  replicas: number
}

interface Result {
  /** ms from acceptance to the end of each user's last token, in the same order. */
  times: number[]
  deletes: number
  refused: number
}

/** Users log out at once. How soon are they logged out, compared with the optimum? */
export async function order(): Promise<Figure[]> {
  const own = await clientsFigures(1)
  const several = await clientsFigures(CLIENTS)
  const others = await othersFigure()
  const shared = { sizes: heavyTail(REPLICATED_USERS), limit: LIMIT, clients: 1, replicas: REPLICAS }
  const [mean] = await heavyTailFigures(shared, AIM_REPLICAS)
  return [...own, ...several, others, ...(mean ? [mean] : [])]
}

function clientsFigures(clients: number): Promise<Figure[]> {
  return heavyTailFigures({ sizes: heavyTail(USERS), limit: LIMIT, clients, replicas: 1 }, AIM_MEAN)
}

const seconds = (ms = Number.NaN) => `${(ms / 1000).toFixed(1)} s`
const failures = ({ refused, deletes }: Result, tokens: number) =>
  `${refused} responses with 429; ${tokens - deletes} tokens alive`

/** The limit of all clients together. */
function totalLimit({ limit: { permits, windowMs, used = 0 }, clients }: Scenario): Limit {
  return { permits: permits * clients, windowMs, used: used * clients }
}

function timesOf(scenario: Scenario, choose: Parameters<typeof drain>[1]): number[] {
  const limit = totalLimit(scenario)
  return drain(scenario.sizes, choose).map((permits) => availableAt(permits, limit))
}

async function heavyTailFigures(scenario: Scenario, aim: number): Promise<Figure[]> {
  const { sizes, limit, clients, replicas } = scenario
  const tokens = sizes.reduce((a, b) => a + b, 0)
  const result = await withBench((bench) => logOutAll(bench, scenario))
  const best = timesOf(scenario, withReserve)
  if (process.env.BENCH_VERBOSE) explain(result.times, best)
  const measured = mean(result.times)
  const last = Math.max(...result.times)
  const ideal = availableAt(tokens, totalLimit(scenario))
  const ratio = measured / mean(best)
  const users = `${sizes.length} users${clients > 1 ? `, ${clients} clients` : ''}${replicas > 1 ? `, ${replicas} replicas on PostgreSQL` : ''}`
  const part = (quantity: number) => seconds(quantile(result.times, quantity))
  const note =
    `${tokens} tokens, sent in random order in requests of ${USERS_A_REQUEST}; ${limit.permits} deletes per ${limit.windowMs / 1000} s and client, ten times as many reads, ` +
    `latency ${LATENCY_MS} ms. From \`acceptedAt\` to \`completedAt\`: median ${part(0.5)}, p90 ${part(0.9)}, p99 ${part(0.99)}. ` +
    `The optimum gives every tenth permit to the oldest user; without this reserve, the mean is ${seconds(mean(timesOf(scenario, fewestFirst)))}; first in, first out: ${seconds(mean(timesOf(scenario, () => 0)))}.`
  return [
    {
      name: `Mean time until a user is logged out, relative to the optimum, ${users}`,
      measured: `${ratio.toFixed(3)}: ${seconds(measured)} against ${seconds(mean(best))}; ${failures(result, tokens)}`,
      aim: `≤ ${aim}, no 429, no token alive`,
      met: ratio <= aim && result.refused === 0 && result.deletes === tokens,
      note,
    },
    {
      name: `Time until the last user is logged out, relative to the ideal, ${users}`,
      measured: `${(last / ideal).toFixed(3)}: ${seconds(last)} against ${seconds(ideal)}`,
      aim: `≤ ${AIM_LAST}`,
      met: last / ideal <= AIM_LAST,
      note: `The same run. The ideal is ⌊tokens / ${limit.permits * clients}⌋ windows: one permit of each client is used for its access token.`,
    },
  ]
}

async function othersFigure(): Promise<Figure> {
  const sizes = [BEFORE, ...Array<number>(OTHERS).fill(1)]
  const scenario = { sizes, limit: LONG_LIMIT, clients: 1, replicas: 1 }
  const result = await withBench((bench) => logOutAll(bench, scenario))
  const ofOthers = (times: readonly number[]) => mean(times.slice(1))
  const [measured, first] = [ofOthers(result.times), ofOthers(timesOf(scenario, () => 0))]
  const best = ofOthers(timesOf(scenario, withReserve))
  return {
    name: `${BEFORE} tokens of one user ahead of ${OTHERS} users with one token: mean of the others, relative to first in, first out`,
    measured: `${(measured / first).toFixed(3)}: ${seconds(measured)} against ${seconds(first)}; ${failures(result, BEFORE + OTHERS)}`,
    aim: `≤ ${AIM_OTHERS}, no 429, no token alive`,
    met: measured / first <= AIM_OTHERS && result.refused === 0 && result.deletes === BEFORE + OTHERS,
    note: `${LONG_LIMIT.permits} deletes per ${LONG_LIMIT.windowMs / 1000} s. The optimum with the reserve: ${seconds(best)}.`,
  }
}

/** The times of each tenth of the users, beside the optimum. */
function explain(times: readonly number[], best: readonly number[]): void {
  for (let part = 1; part <= 10; part += 1) {
    const [own, ideal] = [quantile(times, part / 10), quantile(best, part / 10)]
    process.stderr.write(`${part * 10} %: ${own} ms, optimum ${ideal} ms\n`)
  }
}

async function logOutAll(bench: Bench, { sizes, limit, clients, replicas }: Scenario): Promise<Result> {
  const { permits, windowMs } = limit
  const limits = { tier1Limit: permits * 10, tier2Limit: permits, windowMs }
  const ofTenant = clientsOf(clients)
  const tenant = await startTenant(bench, {
    ...{ latencyMs: LATENCY_MS, tenantLimitShare: null, clients: ofTenant },
    ...limits,
  })
  const url = await start(bench, tenant.url, replicas, {
    ...tenantWith(bench, tenant.url, ofTenant),
    QLIK_TIER1_LIMIT: String(limits.tier1Limit),
    QLIK_TIER2_LIMIT: String(limits.tier2Limit),
    QLIK_RATE_WINDOW_MS: String(windowMs),
  })
  const users: { userId: string }[] = []
  for (const size of sizes) users.push({ userId: await tenant.userWithTokens(size) })
  await tenant.calls()
  for (let sent = 0; sent < users.length; sent += USERS_A_REQUEST) {
    const body = { users: users.slice(sent, sent + USERS_A_REQUEST), reason: 'logout' }
    const { status } = await call(url, 'POST', '/revocations', { body })
    if (status !== 202) throw new Error(`Expected 202, got ${status}.`)
  }
  const times = await ended(url, users.length)
  const calls = await tenant.calls()
  if (process.env.BENCH_VERBOSE) {
    const byRoute = Map.groupBy(calls, ({ route, status }) => `${route} ${status}`)
    process.stderr.write(`${[...byRoute].map(([key, all]) => `${key}: ${all.length}`).join(', ')}\n`)
  }
  return {
    times: users.map(({ userId }) => times.get(userId) ?? Number.NaN),
    deletes: calls.filter(({ route, status }) => route === 'revoke' && status === 204).length,
    refused: calls.filter(({ status }) => status === 429).length,
  }
}

/** Starts one process on SQLite, or replicas on PostgreSQL, and returns a URL. */
async function start(
  bench: Bench,
  tenantUrl: string,
  replicas: number,
  limits: Record<string, string>,
): Promise<string> {
  if (replicas === 1) return (await startService(bench, tenantUrl, limits)).url
  const postgres = await startPostgres(bench)
  const environment = { DATABASE_URL: postgres.url, ...limits }
  const [first] = await startReplicas(bench, replicas, [tenantUrl], environment)
  if (!first) throw new Error('No replica was started.')
  return first.url
}

const Page = z.object({
  items: z.array(
    z.object({
      user: z.object({ userId: z.string() }),
      acceptedAt: z.iso.datetime(),
      completedAt: z.iso.datetime().nullable(),
    }),
  ),
  nextCursor: z.string().nullable(),
})

/** Waits until all revocations are completed, and returns how long each took, by user. */
async function ended(url: string, count: number): Promise<Map<string, number>> {
  const list = async (query: string) => Page.parse((await call(url, 'GET', `/revocations?${query}`)).json)
  for (const status of ['queued', 'running']) {
    while ((await list(`status=${status}&limit=1`)).items.length > 0) await sleep(500)
  }
  const times = new Map<string, number>()
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { items, nextCursor }: z.infer<typeof Page> = await list(
      `status=completed&limit=200${cursor === '' ? '' : `&cursor=${cursor}`}`,
    )
    for (const { user, acceptedAt, completedAt } of items) {
      if (completedAt !== null) times.set(user.userId, Date.parse(completedAt) - Date.parse(acceptedAt))
    }
    cursor = nextCursor
  }
  if (times.size !== count) throw new Error(`Expected ${count} completed revocations, got ${times.size}.`)
  return times
}

/** With a number as its argument: only the figures for this number of clients. */
if (import.meta.main) {
  const clients = Number(process.argv[2] ?? 0)
  await print(clients > 0 ? clientsFigures(clients) : order())
}
