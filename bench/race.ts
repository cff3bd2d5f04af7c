import { clientsOf, tenantWith } from './clients.ts'
import { type ContenderSettings, LogOutAnswer, type Tool } from './contender.ts'
import { ask, type Bench, call, sleep, startChild, startService, withBench } from './support.ts'
import { startTenant, type Tenant } from './tenant.ts'

export interface Race {
  /** Tokens of each user, in the order of their logouts. */
  sizes: readonly number[]
  /** Deletes per window and OAuth client; ten times as many reads. */
  permits: number
  windowMs: number
  latencyMs: number
}

export interface Outcome {
  /** ms until each user had no token left, as the tenant saw it. Users who still have tokens are missing. */
  times: number[]
  /** ms until the last successful delete. */
  lastMs: number
  /** Responses with 429. */
  refused: number
  /** Tokens that were not revoked. */
  alive: number
}

/** Of the first budget, each contender uses this share to warm up. Then it waits for a full one. */
const WARM_UP_SHARE = 0.9
const WARM_UP_MS = 60_000
const RACE_MS = 15 * 60_000
/** Longer than a window counts in any contender. */
const MARGIN_MS = 1_500
const USERS_A_REQUEST = 1_000

type LogOut = (userIds: string[], withinMs: number) => Promise<void>

/** Lets Curfew log the users out, with this number of OAuth clients. */
export function raceCurfew(race: Race, clients: number): Promise<Outcome> {
  return withBench(async (bench) => {
    const tenant = await tenantOf(bench, race, clients)
    const { url } = await startService(bench, tenant.url, {
      ...tenantWith(bench, tenant.url, clientsOf(clients)),
      QLIK_TIER1_LIMIT: String(race.permits * 10),
      QLIK_TIER2_LIMIT: String(race.permits),
      QLIK_RATE_WINDOW_MS: String(race.windowMs),
    })
    return run(tenant, race, (userIds) => curfewLogOut(url, userIds))
  })
}

/** Lets a tool log the users out, with one OAuth client. */
export function raceTool(race: Race, tool: Tool): Promise<Outcome> {
  return withBench(async (bench) => {
    const tenant = await tenantOf(bench, race, 1)
    const { permits, windowMs } = race
    const [client] = clientsOf(1)
    if (!client) throw new Error('There is no client.')
    const settings: ContenderSettings = { tool, tenantUrl: tenant.url, client, permits, windowMs }
    const child = await startChild(bench, 'bench/contender.ts', { args: [JSON.stringify(settings)] })
    return run(tenant, race, async (userIds, withinMs) => {
      const { error } = LogOutAnswer.parse(await ask(child, { userIds }, withinMs))
      if (error !== null && process.env.BENCH_VERBOSE) process.stderr.write(`${tool}: ${error}\n`)
    })
  })
}

function tenantOf(bench: Bench, { permits, windowMs, latencyMs }: Race, clients: number): Promise<Tenant> {
  return startTenant(bench, {
    ...{ latencyMs, tenantLimitShare: null, clients: clientsOf(clients) },
    ...{ tier1Limit: permits * 10, tier2Limit: permits, windowMs },
  })
}

async function run(tenant: Tenant, { sizes, permits, windowMs }: Race, logOut: LogOut): Promise<Outcome> {
  const warmUp = await tenant.userWithTokens(Math.floor(permits * WARM_UP_SHARE))
  await logOut([warmUp], WARM_UP_MS)
  const [{ tokens } = { tokens: Number.NaN }] = await tenant.remainsOf([warmUp])
  if (tokens !== 0) throw new Error('A contender does not revoke tokens.')
  const userIds: string[] = []
  for (const size of sizes) userIds.push(await tenant.userWithTokens(size))
  await sleep(windowMs + MARGIN_MS)
  await tenant.calls()
  const startedAt = Date.now()
  await logOut(userIds, RACE_MS)
  const remains = await tenant.remainsOf(userIds)
  const revokedMs = remains.map(({ lastRevokedAt }) => (lastRevokedAt ?? startedAt) - startedAt)
  return {
    times: revokedMs.filter((_ms, user) => remains[user]?.tokens === 0),
    lastMs: Math.max(...revokedMs),
    refused: (await tenant.calls()).filter(({ status }) => status === 429).length,
    alive: remains.reduce((sum, { tokens }) => sum + tokens, 0),
  }
}

async function curfewLogOut(url: string, userIds: readonly string[]): Promise<void> {
  for (let sent = 0; sent < userIds.length; sent += USERS_A_REQUEST) {
    const users = userIds.slice(sent, sent + USERS_A_REQUEST).map((userId) => ({ userId }))
    const { status } = await call(url, 'POST', '/revocations', { body: { users, reason: 'logout' } })
    if (status !== 202) throw new Error(`Expected 202, got ${status}.`)
  }
  for (const status of ['queued', 'running']) {
    const path = `/revocations?status=${status}&limit=1`
    while (Object((await call(url, 'GET', path)).json).items.length > 0) await sleep(500)
  }
}
