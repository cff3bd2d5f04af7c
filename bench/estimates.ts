import { z } from 'zod'
import { heavyTail } from './order-model.ts'
import { type Bench, call, type Figure, print, quantile, sleep, startService, withBench } from './support.ts'
import { startTenant } from './tenant.ts'

const USERS = Number(process.env.BENCH_USERS ?? 1_000)
const PERMITS = 50
const WINDOW_MS = 2_000
const LATENCY_MS = 5
/** Between two looks at all estimates. */
const LOOK_EVERY_MS = 5_000
const PAGE = 1_000
/** An error is relative to the remaining time, but not to less than a window: all permits of a window start at once. */
const AIM_HALF = 0.2
const AIM_MOST = 0.5

const Item = z.object({
  id: z.string(),
  status: z.string(),
  estimatedCompletionAt: z.iso.datetime().nullable(),
  completedAt: z.iso.datetime().nullable(),
})
const Page = z.object({ items: z.array(Item), nextCursor: z.string().nullable() })
type Item = z.infer<typeof Item>
const Status = z.object({
  tenants: z.array(z.object({ backlog: z.object({ logout: z.object({ uncounted: z.number() }) }) })),
})

interface Sample {
  id: string
  status: string
  at: number
  /** The look, and what was estimated then. */
  look: number
  estimate: number | null
  /** Whether the survey had counted the tokens of all users. */
  isCounted: boolean
}

/** How long users wait, compared with what `estimatedCompletionAt` said while they waited. */
export async function estimates(): Promise<Figure[]> {
  const { samples, ended, lookMs } = await withBench(logOutAll)
  if (process.env.BENCH_VERBOSE) explain(samples, ended)
  const name = `Error of \`estimatedCompletionAt\`, ${USERS} users, ${PERMITS} deletes per ${WINDOW_MS / 1000} s`
  const counted = samples.filter(({ isCounted }) => isCounted)
  return [
    figure(name, samples, ended, [
      `All queued and running revocations, every ${LOOK_EVERY_MS / 1000} s, and each second at first. The error is relative`,
      `to the time that remained, or to one window if less remained. ${samples.length - counted.length} estimates were`,
      `made before the tokens of all users were counted. Reading ${PAGE} revocations took up to ${lookMs.toFixed(0)} ms.`,
    ]),
    figure(`${name}, once the tokens of all users are counted`, counted, ended, [
      'As above, without the estimates of the first seconds, which must guess how many tokens a user has.',
    ]),
  ]
}

function figure(
  name: string,
  samples: readonly Sample[],
  ended: ReadonlyMap<string, number>,
  note: readonly string[],
): Figure {
  const missing = samples.filter(({ estimate }) => estimate === null).length
  const errors = samples.flatMap((sample) => errorOf(sample, ended))
  const [half, most] = [quantile(errors, 0.5), quantile(errors, 0.9)]
  const percent = (share = Number.NaN) => `${(100 * share).toFixed(0)} %`
  return {
    name,
    measured: `half within ${percent(half)}, 90 % within ${percent(most)}; ${missing} of ${samples.length} null`,
    aim: `half within ${percent(AIM_HALF)}, 90 % within ${percent(AIM_MOST)}, none null`,
    met: half <= AIM_HALF && most <= AIM_MOST && missing === 0,
    note: note.join(' '),
  }
}

async function logOutAll(bench: Bench) {
  const limits = { tier1Limit: PERMITS * 10, tier2Limit: PERMITS, windowMs: WINDOW_MS }
  const tenant = await startTenant(bench, { latencyMs: LATENCY_MS, tenantLimitShare: null, ...limits })
  const { url } = await startService(bench, tenant.url, {
    QLIK_TIER1_LIMIT: String(limits.tier1Limit),
    QLIK_TIER2_LIMIT: String(limits.tier2Limit),
    QLIK_RATE_WINDOW_MS: String(WINDOW_MS),
  })
  const users: { userId: string }[] = []
  for (const size of heavyTail(USERS)) users.push({ userId: await tenant.userWithTokens(size) })
  for (let sent = 0; sent < users.length; sent += PAGE) {
    const body = { users: users.slice(sent, sent + PAGE), reason: 'logout' }
    const { status } = await call(url, 'POST', '/revocations', { body })
    if (status !== 202) throw new Error(`Expected 202, got ${status}.`)
  }
  const samples: Sample[] = []
  let lookMs = 0
  for (let look = 0; ; look += 1) {
    const startedAt = performance.now()
    const isCounted = (await uncounted(url)) === 0
    const items = [...(await list(url, 'queued')), ...(await list(url, 'running'))]
    lookMs = Math.max(lookMs, performance.now() - startedAt)
    if (items.length === 0) break
    const at = Date.now()
    for (const { id, status, estimatedCompletionAt } of items) {
      const estimate = estimatedCompletionAt === null ? null : Date.parse(estimatedCompletionAt)
      samples.push({ id, status, at, look, estimate, isCounted })
    }
    await sleep(look < 3 ? 1_000 : LOOK_EVERY_MS)
  }
  const ended = new Map<string, number>()
  for (const { id, completedAt } of await list(url, 'completed'))
    if (completedAt !== null) ended.set(id, Date.parse(completedAt))
  return { samples, ended, lookMs }
}

async function uncounted(url: string): Promise<number> {
  const { tenants } = Status.parse((await call(url, 'GET', '/status')).json)
  return tenants.reduce((sum, { backlog }) => sum + backlog.logout.uncounted, 0)
}

async function list(url: string, status: string): Promise<Item[]> {
  const all: Item[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const after = cursor === '' ? '' : `&cursor=${cursor}`
    const answer = await call(url, 'GET', `/revocations?status=${status}&limit=${PAGE}${after}`)
    const { items, nextCursor }: z.infer<typeof Page> = Page.parse(answer.json)
    all.push(...items)
    cursor = nextCursor
  }
  return all
}

function errorOf({ id, at, estimate }: Sample, ended: ReadonlyMap<string, number>): number[] {
  const actual = ended.get(id)
  if (estimate === null || actual === undefined) return []
  return [Math.abs(estimate - actual) / Math.max(actual - at, WINDOW_MS)]
}

/** The errors of each look, and which way. */
function explain(samples: readonly Sample[], ended: ReadonlyMap<string, number>): void {
  for (const [key, some] of Map.groupBy(samples, ({ look, status }) => `${look} ${status}`)) {
    const errors = some.flatMap((sample) => errorOf(sample, ended))
    const early = some.filter(({ id, estimate }) => (estimate ?? 0) < (ended.get(id) ?? 0)).length
    process.stderr.write(
      `${key}: ${some.length}, p50 ${quantile(errors, 0.5)?.toFixed(2)}, p90 ${quantile(errors, 0.9)?.toFixed(2)}, ` +
        `${((100 * early) / some.length).toFixed(0)} % too early\n`,
    )
  }
}

if (import.meta.main) await print(estimates())
