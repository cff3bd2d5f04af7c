import { z } from 'zod'
import { availableAt, drain, fewestFirst, heavyTail, type Limit, mean, withReserve } from './order-model.ts'
import { type Bench, call, type Figure, print, quantile, sleep, startService, withBench } from './support.ts'
import { startTenant } from './tenant.ts'

const USERS = Number(process.env.BENCH_USERS ?? 1_000)
/** The first permit is used for the access token. */
const LIMIT: Limit = { permits: 50, windowMs: 2_000, used: 1 }
const LATENCY_MS = 5
const AIM_MEAN = 1.15
const AIM_LAST = 1.02
const USERS_A_REQUEST = 1_000

interface Result {
  /** ms from acceptance to the end of each user's last token. */
  times: number[]
  deletes: number
  refused: number
}

/** 1,000 users with a heavy tail of tokens log out at once; how soon are they logged out, compared with the optimum? */
export async function order(): Promise<Figure[]> {
  const sizes = heavyTail(USERS)
  const tokens = sizes.reduce((a, b) => a + b, 0)
  const result = await withBench((bench) => logOutAll(bench, sizes))
  const timesOf = (choose: Parameters<typeof drain>[1]) =>
    drain(sizes, choose).map((permits) => availableAt(permits, LIMIT))
  const [best, fewest, first] = [timesOf(withReserve), timesOf(fewestFirst), timesOf(() => 0)].map(mean)
  if (process.env.BENCH_VERBOSE) explain(result.times, timesOf(withReserve))
  const measured = mean(result.times)
  const last = Math.max(...result.times)
  const ideal = availableAt(tokens, LIMIT)
  const ratio = measured / (best ?? 1)
  const isComplete = result.deletes === tokens && result.refused === 0
  const seconds = (ms = Number.NaN) => `${(ms / 1000).toFixed(1)} s`
  const note =
    `${USERS} users with ${tokens} tokens, sent in random order in requests of ${USERS_A_REQUEST}; ${LIMIT.permits} deletes per ${LIMIT.windowMs / 1000} s, ten times as many reads, ` +
    `latency ${LATENCY_MS} ms. From \`acceptedAt\` to \`completedAt\`: median ${seconds(quantile(result.times, 0.5))}, p90 ${seconds(quantile(result.times, 0.9))}, p99 ${seconds(quantile(result.times, 0.99))}. ` +
    `The optimum gives every tenth permit to the oldest user; without this reserve, the mean is ${seconds(fewest)}; first in, first out: ${seconds(first)}.`
  return [
    {
      name: `Mean time until one of ${USERS} users is logged out, relative to the optimum`,
      measured: `${ratio.toFixed(3)}: ${seconds(measured)} against ${seconds(best)}; ${result.refused} responses with 429; ${tokens - result.deletes} tokens alive`,
      aim: `≤ ${AIM_MEAN}, no 429, no token alive`,
      met: ratio <= AIM_MEAN && isComplete,
      note,
    },
    {
      name: `Time until the last of ${USERS} users is logged out, relative to the ideal`,
      measured: `${(last / ideal).toFixed(3)}: ${seconds(last)} against ${seconds(ideal)}`,
      aim: `≤ ${AIM_LAST}`,
      met: last / ideal <= AIM_LAST,
      note: `The same run. The ideal is ⌊(tokens + 1 − 1) / ${LIMIT.permits}⌋ windows: one permit is used for the access token.`,
    },
  ]
}

/** The times of each tenth of the users, beside the optimum. */
function explain(times: readonly number[], best: readonly number[]): void {
  for (let part = 1; part <= 10; part += 1) {
    const [own, ideal] = [quantile(times, part / 10), quantile(best, part / 10)]
    process.stderr.write(`${part * 10} %: ${own} ms, optimum ${ideal} ms\n`)
  }
}

async function logOutAll(bench: Bench, sizes: readonly number[]): Promise<Result> {
  const { permits, windowMs } = LIMIT
  const limits = { tier1Limit: permits * 10, tier2Limit: permits, windowMs }
  const tenant = await startTenant(bench, { latencyMs: LATENCY_MS, ...limits })
  const service = await startService(bench, tenant.url, {
    QLIK_TIER1_LIMIT: String(limits.tier1Limit),
    QLIK_TIER2_LIMIT: String(limits.tier2Limit),
    QLIK_RATE_WINDOW_MS: String(windowMs),
  })
  const users: { userId: string }[] = []
  for (const size of sizes) users.push({ userId: await tenant.userWithTokens(size) })
  await tenant.calls()
  for (let sent = 0; sent < users.length; sent += USERS_A_REQUEST) {
    const some = users.slice(sent, sent + USERS_A_REQUEST)
    const { status } = await call(service.url, 'POST', '/revocations', {
      body: { users: some, reason: 'logout' },
    })
    if (status !== 202) throw new Error(`Expected 202, got ${status}.`)
  }
  const times = await ended(service.url, users.length)
  const calls = await tenant.calls()
  if (process.env.BENCH_VERBOSE) {
    const byRoute = Map.groupBy(calls, ({ route, status }) => `${route} ${status}`)
    process.stderr.write(`${[...byRoute].map(([key, all]) => `${key}: ${all.length}`).join(', ')}\n`)
  }
  return {
    times,
    deletes: calls.filter(({ route, status }) => route === 'revoke' && status === 204).length,
    refused: calls.filter(({ status }) => status === 429).length,
  }
}

const Page = z.object({
  items: z.array(
    z.object({
      status: z.string(),
      acceptedAt: z.iso.datetime(),
      completedAt: z.iso.datetime().nullable(),
    }),
  ),
  nextCursor: z.string().nullable(),
})

/** Waits until all revocations are completed, and returns how long each took. */
async function ended(url: string, count: number): Promise<number[]> {
  const list = async (query: string) => Page.parse((await call(url, 'GET', `/revocations?${query}`)).json)
  for (const status of ['queued', 'running']) {
    while ((await list(`status=${status}&limit=1`)).items.length > 0) await sleep(500)
  }
  const times: number[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { items, nextCursor }: z.infer<typeof Page> = await list(
      `status=completed&limit=200${cursor === '' ? '' : `&cursor=${cursor}`}`,
    )
    for (const { acceptedAt, completedAt } of items) {
      if (completedAt !== null) times.push(Date.parse(completedAt) - Date.parse(acceptedAt))
    }
    cursor = nextCursor
  }
  if (times.length !== count) throw new Error(`Expected ${count} completed revocations, got ${times.length}.`)
  return times
}

if (import.meta.main) await print(order())
