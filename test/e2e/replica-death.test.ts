import t, { type Test } from 'tap'
import type { RevocationView } from '../../src/revocation/revocation-view.ts'
import type { SandboxCall } from '../../src/sandbox/call-log.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { nextCall, until } from '../support/events.ts'
import { startPostgres } from '../support/postgres.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { environmentFor, request, settledAt } from '../support/service.ts'

const server = await startPostgres(t)
// They mostly wait for missing heartbeats.
t.jobs = 2
/** Late enough that Curfew always sees them as issued after the signal. */
const LATER_MS = 60_000

/** A tenant with users, and replicas on one database. The tenant enforces its limits. */
async function setUp(t: Test, { latencyMs, tier2Limit }: { latencyMs: number; tier2Limit: number }) {
  const limits = { tier2Limit, windowMs: 2_000 }
  const sandbox = await startSandbox({ latencyMs, ...limits })
  t.teardown(() => sandbox.close())
  const { tenant } = sandbox
  const database = await server.createDatabase()
  const client = tenant.addClient()
  const start = (more: Record<string, string> = {}, own = client) =>
    startProcess(
      t,
      environmentFor(sandbox, own, database, {
        QLIK_TIER2_LIMIT: String(tier2Limit),
        QLIK_RATE_WINDOW_MS: String(limits.windowMs),
        QLIK_TIMEOUT_MS: '2000',
        ...more,
      }),
    )
  /** A user with `count` tokens, and two more that are issued later. */
  const userWithTokens = (count: number) => {
    const { id } = tenant.addUser()
    tenant.issueTokens(id, count)
    tenant.issueTokens(id, 2, { issuedAt: Date.now() + LATER_MS })
    return id
  }
  return { sandbox, tenant, database, start, userWithTokens }
}

async function accept({ url }: ServiceProcess, userId: string): Promise<string> {
  const { status, json, text } = await request(url, 'POST', '/logout-hook', { body: { userId } })
  if (status !== 202) throw new Error(`expected 202, got ${status}: ${text}`)
  return json.id
}

async function ended({ url }: ServiceProcess, id: string) {
  return (await settledAt(url, id)).json
}

/** How many ended revocations a process has logged. */
function endsLogged({ output }: ServiceProcess): number {
  return output().split('"msg":"revocation ended"').length - 1
}

/** Per tenant: twice the maximum of 16 calls in flight. */
const MAX_RUNS = 32

t.test(
  'a replica is killed in mid-run: another one takes over its revocations',
  { buffered: true },
  async (t) => {
    // Slow until all signals are accepted.
    const { sandbox, tenant, start, userWithTokens } = await setUp(t, { latencyMs: 1_000, tier2Limit: 300 })
    const bystander = userWithTokens(5)
    const first = await start()
    const second = await start()
    // It claims nothing until all runs have started.
    second.process.kill('SIGSTOP')
    const users = new Map<string, string>()
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        const userId = userWithTokens(20)
        users.set(await accept(first, userId), userId)
      }),
    )
    let running: RevocationView[] = []
    await until('the maximum of runs is reached', async () => {
      running = (await request(first.url, 'GET', '/revocations?status=running&limit=100')).json.items
      return running.length >= MAX_RUNS
    })
    second.process.kill('SIGCONT')
    tenant.settings.latencyMs = 300
    let revoked = 0
    await nextCall(sandbox, ({ route }) => route === 'revoke' && ++revoked > 60)
    const left = new Map<string, string>()
    for (const { user } of running)
      for (const { id, issuedAt } of tenant.tokensOf(String(user.userId)))
        if (issuedAt <= Date.now()) left.set(id, String(user.userId))
    t.equal(await first.end('SIGKILL'), 'SIGKILL')
    const killedAt = performance.now()
    tenant.settings.latencyMs = 20
    const interrupted = [...new Set(left.values())]
    const takenOver = new Map<string, number>()
    t.teardown(
      tenant.onCall((phase, { path }: SandboxCall) => {
        // Requests of the killed replica may be answered later.
        if (phase !== 'arrived') return
        const owner =
          interrupted.find((userId) => path.includes(userId)) ?? left.get(path.split('/').at(-1) ?? '')
        if (owner && !takenOver.has(owner)) takenOver.set(owner, performance.now() - killedAt)
      }),
    )
    for (const [id, userId] of users) {
      t.match(await ended(second, id), { status: 'completed', verified: true, tokens: { kept: 2 } })
      if (tenant.tokensOf(userId).length !== 2) t.fail('only the tokens that were issued later are kept')
    }
    t.equal(tenant.tokensOf(bystander).length, 7, 'other users keep all tokens')
    const seconds = [...takenOver.values()].map((ms) => ms / 1_000)
    t.equal(seconds.length, interrupted.length)
    t.ok(seconds.length > 0)
    t.comment(
      `${takenOver.size} runs were taken over, after ${Math.min(...seconds)} to ${Math.max(...seconds)} s`,
    )
    const again = (await request(second.url, 'GET', '/revocations?limit=100')).json.items
    t.comment(
      `${again.filter(({ attempts }: { attempts: number }) => attempts > 1).length} were started twice`,
    )
    t.same(
      tenant.calls.filter(({ status }) => status === 429),
      [],
      'together they keep the limit, the killed one included',
    )
    t.equal(await second.end('SIGTERM'), 0)
  },
)

t.test('a frozen replica has lost its run and abandons it when it resumes', { buffered: true }, async (t) => {
  const { tenant, start, userWithTokens } = await setUp(t, { latencyMs: 50, tier2Limit: 10_000 })
  // One client per replica, so that the tenant can tell their calls apart.
  const [firstClient, secondClient] = [tenant.addClient(), tenant.addClient()]
  const one = { REVOKE_CONCURRENCY: '1' }
  const frozen = await start(one, firstClient)
  const userId = userWithTokens(100)
  const id = await accept(frozen, userId)
  await until('the run has started', () => tenant.tokensOf(userId).length < 95)
  frozen.process.kill('SIGSTOP')
  const other = await start(one, secondClient)
  const callsOf = (botId: string) =>
    tenant.calls.filter(({ route, userId }) => route === 'revoke' && userId === botId)
  const takenOver = await until('the run is taken over', () => callsOf(secondClient.userId).length > 0)
  t.comment(`taken over after ${(takenOver / 1_000).toFixed(1)} s`)
  const before = callsOf(firstClient.userId).length
  // Slow enough that the new owner needs some seconds for the rest.
  tenant.settings.latencyMs = 100
  frozen.process.kill('SIGCONT')
  const result = await ended(other, id)
  t.match(result, { status: 'completed', verified: true, attempts: 2, tokens: { kept: 2 } })
  const more = callsOf(firstClient.userId).length - before
  t.ok(more < callsOf(secondClient.userId).length / 2, `it made ${more} more calls`)
  const last = (client: typeof firstClient) => callsOf(client.userId).at(-1)?.at ?? 0
  t.ok(last(secondClient) > last(firstClient), 'the other one did the rest')
  t.equal(tenant.tokensOf(userId).length, 2)
  const next = await request(frozen.url, 'POST', '/logout-hook', {
    body: { userId: userWithTokens(1) },
    headers: { prefer: 'wait=30' },
  })
  t.match(next.json, { status: 'completed' }, 'it works again')
  t.match(await ended(frozen, id), result, 'the revocation stays as the new owner left it')
  t.equal(await frozen.end('SIGTERM'), 0)
  t.equal(await other.end('SIGTERM'), 0)
  // The output is complete only after the process has ended.
  t.equal(endsLogged(frozen) + endsLogged(other), 2, 'each was logged once')
})
