import { z } from 'zod'
import { startPostgres } from './postgres.ts'
import { startReplicas } from './replica.ts'
import {
  type Bench,
  type Child,
  call,
  type Figure,
  print,
  startService,
  untilVerified,
  withBench,
} from './support.ts'
import { emailOf, startTenant, subjectOf, type Tenant } from './tenant.ts'

/** As Qlik's: what is deleted twice is missing for somebody else. */
const TIER2_LIMIT = 500
const AIM = 1.02

/** One user's tokens, and how far the tenant's list is behind its deletes. */
interface Scenario {
  tokens: number
  lagMs: number
  /** The user's names, of which each is in a signal of its own. */
  names: (userId: string) => object[]
}

const byId = (userId: string) => [{ userId }]
const byAllNames = (userId: string) => [
  { userId },
  { email: emailOf(userId) },
  { subject: subjectOf(userId) },
]

const BEHIND: Scenario[] = [
  { tokens: 303, lagMs: 5_000, names: byId },
  { tokens: 102, lagMs: 8_000, names: byId },
]
const NAMED: Scenario = { tokens: 152, lagMs: 5_000, names: byAllNames }

/** How many deletes a token costs where the list still shows what is gone, and where several runs are about one user. */
export async function deletes(): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const scenario of [...BEHIND, NAMED])
    figures.push(figure(scenario, 'one process', await withBench((bench) => onSqlite(bench, scenario))))
  const shared = await withBench((bench) => onPostgres(bench, NAMED))
  figures.push(figure(NAMED, '2 replicas on PostgreSQL', shared))
  return figures
}

interface Counts {
  deletes: number
  /** Tokens that counted so, in all of the revocations. */
  alreadyGone: number
  lists: number
  refused: number
}

function figure({ tokens, lagMs, names }: Scenario, where: string, counts: Counts): Figure {
  const ratio = counts.deletes / tokens
  const signals = names('').length
  return {
    name: `Deletes for ${tokens} tokens, ${signals === 1 ? 'one signal' : 'user named by id, e-mail and subject at once'}, list ${lagMs / 1_000} s behind, ${where}`,
    measured: `${ratio.toFixed(3)} a token: ${counts.deletes}; ${counts.lists} listings; ${counts.refused} answers of 429`,
    aim: `≤ ${AIM}`,
    met: ratio <= AIM && counts.refused === 0,
    note:
      `Each revocation was verified, one with ${tokens} tokens revoked; ${counts.alreadyGone} counted as already gone in all of them. Calls are counted by the tenant, with its limit of ` +
      `${TIER2_LIMIT} deletes in 5 minutes. A security signal of another user was verified right afterwards.`,
  }
}

async function onSqlite(bench: Bench, scenario: Scenario): Promise<Counts> {
  const tenant = await startTenant(bench, { lagAfterRevokeMs: scenario.lagMs, tier2Limit: TIER2_LIMIT })
  const limit = { QLIK_TIER2_LIMIT: String(TIER2_LIMIT) }
  return run(tenant, [await startService(bench, tenant.url, limit)], scenario)
}

async function onPostgres(bench: Bench, scenario: Scenario): Promise<Counts> {
  const postgres = await startPostgres(bench)
  const tenant = await startTenant(bench, { lagAfterRevokeMs: scenario.lagMs, tier2Limit: TIER2_LIMIT })
  const environment = { DATABASE_URL: postgres.url, QLIK_TIER2_LIMIT: String(TIER2_LIMIT) }
  return run(tenant, await startReplicas(bench, 2, [tenant.url], environment), scenario)
}

async function run(tenant: Tenant, replicas: Child[], { tokens, names }: Scenario): Promise<Counts> {
  const userId = await tenant.userWithTokens(tokens)
  const other = await tenant.userWithTokens(1)
  await tenant.calls()
  const [first] = replicas
  if (!first) throw new Error('There is no replica.')
  const signals = names(userId).map(async (user, index) => {
    const replica = replicas[index % replicas.length] ?? first
    return untilVerified(replica, await send(replica, user, 'logout'))
  })
  const ended = await Promise.all(signals)
  if (!ended.some(({ tokens: { revoked } }) => revoked === tokens))
    throw new Error('Not every token was revoked.')
  const calls = await tenant.calls()
  const count = (matches: (call: (typeof calls)[number]) => boolean) => calls.filter(matches).length
  await untilVerified(first, await send(first, { userId: other }, 'security'))
  return {
    alreadyGone: ended.reduce((sum, one) => sum + one.tokens.alreadyGone, 0),
    deletes: count(({ route }) => route === 'revoke'),
    lists: count(({ route }) => route === 'list'),
    refused: count(({ status }) => status === 429),
  }
}

const Accepted = z.object({ items: z.tuple([z.object({ revocation: z.object({ id: z.string() }) })]) })

async function send({ url }: Child, user: object, reason: string): Promise<string> {
  const { json } = await call(url, 'POST', '/revocations', { body: { users: [user], reason } })
  return Accepted.parse(json).items[0].revocation.id
}

if (import.meta.main) await print(deletes())
