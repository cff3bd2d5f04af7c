import t, { type Test } from 'tap'
import type { RevocationView } from '../../src/revocation/revocation-view.ts'
import type { SandboxCall } from '../../src/sandbox/call-log.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { nextCall, until } from '../support/events.ts'
import { startPostgres } from '../support/postgres.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { environmentFor, request, settledAt } from '../support/service.ts'

const server = await startPostgres(t)
// They mostly wait for heartbeats that do not come.
t.jobs = 2
/** So late that Curfew knows them as issued after the signal, whenever it looks. */
const LATER_MS = 60_000

/** A tenant with users, and replicas on one database. The tenant keeps to its limits, and so must the replicas. */
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
  /** A user with so many tokens, and two more that are issued later. */
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

/** How often a process says that a revocation has ended. */
function endsTold({ output }: ServiceProcess): number {
  return output().split('"msg":"revocation ended"').length - 1
}

/** Of one tenant: twice the calls in flight, which are 16. */
const RUNS_AT_MOST = 32

t.test(
  'a replica is killed in mid-run: another one takes its revocations over',
  { buffered: true },
  async (t) => {
    // It goes slowly until all have been accepted.
    const { sandbox, tenant, start, userWithTokens } = await setUp(t, { latencyMs: 1_000, tier2Limit: 300 })
    const bystander = userWithTokens(5)
    const first = await start()
    const second = await start()
    // It takes none of them before all is under way.
    second.process.kill('SIGSTOP')
    const users = new Map<string, string>()
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        const userId = userWithTokens(20)
        users.set(await accept(first, userId), userId)
      }),
    )
    let running: RevocationView[] = []
    await until('as many run as may', async () => {
      running = (await request(first.url, 'GET', '/revocations?status=running&limit=100')).json.items
      return running.length >= RUNS_AT_MOST
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
        // What the dead one had asked for is answered later.
        if (phase !== 'arrived') return
        const owner =
          interrupted.find((userId) => path.includes(userId)) ?? left.get(path.split('/').at(-1) ?? '')
        if (owner && !takenOver.has(owner)) takenOver.set(owner, performance.now() - killedAt)
      }),
    )
    for (const [id, userId] of users) {
      t.match(await ended(second, id), { status: 'completed', verified: true, tokens: { kept: 2 } })
      if (tenant.tokensOf(userId).length !== 2) t.fail('tokens that were issued later are kept, no others')
    }
    t.equal(tenant.tokensOf(bystander).length, 7, 'whoever was not named keeps all')
    const seconds = [...takenOver.values()].map((ms) => ms / 1_000)
    t.equal(seconds.length, interrupted.length)
    t.ok(seconds.length > 0)
    t.comment(`${takenOver.size} runs went on, after ${Math.min(...seconds)} to ${Math.max(...seconds)} s`)
    const again = (await request(second.url, 'GET', '/revocations?limit=100')).json.items
    t.comment(`${again.filter(({ attempts }: { attempts: number }) => attempts > 1).length} were begun twice`)
    t.same(
      tenant.calls.filter(({ status }) => status === 429),
      [],
      'together they keep to the limit, the dead one included',
    )
    t.equal(await second.end('SIGTERM'), 0)
  },
)

t.test(
  'a replica that was frozen has lost its run, and leaves it when it wakes',
  { buffered: true },
  async (t) => {
    const { tenant, start, userWithTokens } = await setUp(t, { latencyMs: 50, tier2Limit: 10_000 })
    // A client each, so that the tenant can tell their calls apart.
    const [firstClient, secondClient] = [tenant.addClient(), tenant.addClient()]
    const one = { REVOKE_CONCURRENCY: '1' }
    const frozen = await start(one, firstClient)
    const userId = userWithTokens(100)
    const id = await accept(frozen, userId)
    await until('it is under way', () => tenant.tokensOf(userId).length < 95)
    frozen.process.kill('SIGSTOP')
    const other = await start(one, secondClient)
    const callsOf = (botId: string) =>
      tenant.calls.filter(({ route, userId }) => route === 'revoke' && userId === botId)
    const takenOver = await until('it is taken over', () => callsOf(secondClient.userId).length > 0)
    t.comment(`taken over after ${(takenOver / 1_000).toFixed(1)} s`)
    const before = callsOf(firstClient.userId).length
    // The new owner needs some seconds for the rest.
    tenant.settings.latencyMs = 100
    frozen.process.kill('SIGCONT')
    const result = await ended(other, id)
    t.match(result, { status: 'completed', verified: true, attempts: 2, tokens: { kept: 2 } })
    const more = callsOf(firstClient.userId).length - before
    t.ok(more < callsOf(secondClient.userId).length / 2, `it made ${more} more calls`)
    const last = (client: typeof firstClient) => callsOf(client.userId).at(-1)?.at ?? 0
    t.ok(last(secondClient) > last(firstClient), 'and the other one did the rest')
    t.equal(tenant.tokensOf(userId).length, 2)
    const next = await request(frozen.url, 'POST', '/logout-hook', {
      body: { userId: userWithTokens(1) },
      headers: { prefer: 'wait=30' },
    })
    t.match(next.json, { status: 'completed' }, 'it works again')
    t.match(await ended(frozen, id), result, 'and stays as the new owner left it')
    t.equal(await frozen.end('SIGTERM'), 0)
    t.equal(await other.end('SIGTERM'), 0)
    // What a process has written is there when it has ended; an answer may be there sooner.
    t.equal(endsTold(frozen) + endsTold(other), 2, 'each was reported once')
  },
)
