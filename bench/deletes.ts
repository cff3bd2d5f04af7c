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

/** Qlik's limit: a repeated delete takes a permit from another user. */
const TIER2_LIMIT = 500
const AIM = 1.02

/** One user's tokens, and how long the tenant still lists deleted tokens. */
interface Scenario {
  tokens: number
  lagMs: number
  /** The user's names; each is sent in its own signal. */
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

/** Deletes per token if the listing still shows deleted tokens, and if several runs concern one user. */
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
  /** Tokens counted as already gone, over all revocations. */
  alreadyGone: number
  lists: number
  refused: number
}

function figure({ tokens, lagMs, names }: Scenario, where: string, counts: Counts): Figure {
  const ratio = counts.deletes / tokens
  const signals = names('').length
  return {
    name: `Deletes for ${tokens} tokens, ${signals === 1 ? 'one signal' : 'user named by id, email and subject at once'}, listing lag ${lagMs / 1_000} s, ${where}`,
    measured: `${ratio.toFixed(3)} per token: ${counts.deletes}; ${counts.lists} listings; ${counts.refused} responses with 429`,
    aim: `≤ ${AIM}`,
    met: ratio <= AIM && counts.refused === 0,
    note:
      `Each revocation was verified, one of them with ${tokens} tokens revoked; ${counts.alreadyGone} counted as already gone in total. The tenant counts the calls and allows ` +
      `${TIER2_LIMIT} deletes in 5 minutes. A security signal for another user was verified right afterwards.`,
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
  if (!first) throw new Error('No replica was started.')
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
