import root, { type Test } from 'tap'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { configurationFile } from '../support/config-file.ts'
import { until } from '../support/events.ts'
import { startIssuer } from '../support/issuer.ts'
import { CLIENT, endSession } from '../support/logout-service.ts'
import { type PostgresServer, startPostgres } from '../support/postgres.ts'
import { previousIsMissing, previousVersion } from '../support/previous-version.ts'
import { type ServiceProcess, startInVain, startProcess } from '../support/process.ts'
import { environmentFor, type Reply, request, settledAt } from '../support/service.ts'

// They mostly wait for missing heartbeats and for the leeway.
root.jobs = 2
const options = { skip: previousIsMissing(), buffered: true, timeout: 180_000 }
const LIMITS = { tier1Limit: 400, tier2Limit: 150, windowMs: 2_000 }
/** A call that an old replica aborts at its end may still reach the tenant, later than the replica counted it. */
const WINDOW_MARGIN_MS = 1_000
/** An old replica logs this if the migration overtakes one of its exchanges of permits; it then repeats the exchange. */
const OVERTAKEN = 'the permits for calls to Qlik Cloud could not be stored'
/** Logged by the new and the old version when a revocation ends. */
const ENDED = ['revocation ended', 'a revocation has ended']
/** Late enough that the tokens always belong to a later login. */
const LATER_MS = 4 * 60_000
const WAIT = { prefer: 'wait=30' }
let server: Promise<PostgresServer> | undefined

/** A tenant that enforces its limits, and processes of both versions on one database. */
async function setUp(t: Test, { latencyMs }: { latencyMs: number }) {
  const previous = previousVersion(t)
  server ??= startPostgres(root)
  const sandbox = await startSandbox({ latencyMs, ...LIMITS })
  t.teardown(() => sandbox.close())
  const { tenant } = sandbox
  const issuer = await startIssuer(t, { typ: 'logout+jwt' })
  const source = { name: 'op', kind: 'oidc-back-channel-logout', issuer: issuer.url, audience: CLIENT }
  const common = {
    CONFIG_FILE: configurationFile(t, { sources: [source] }).path,
    QLIK_TIER1_LIMIT: String(LIMITS.tier1Limit),
    QLIK_TIER2_LIMIT: String(LIMITS.tier2Limit),
    QLIK_RATE_WINDOW_MS: String(LIMITS.windowMs + WINDOW_MARGIN_MS),
    QLIK_TIMEOUT_MS: '2000',
  }
  const database = await (await server).createDatabase()
  const client = tenant.addClient()
  const environment = (more: Record<string, string>, own: typeof client) =>
    environmentFor(sandbox, own, database, { ...common, ...more })
  const replicas: ServiceProcess[] = []
  /** Error answers; the tests expect none. */
  const refused: Reply[] = []
  const start = async (main: string | undefined, more: Record<string, string>, own: typeof client) => {
    const replica = await startProcess(t, environment(more, own), main)
    replicas.push(replica)
    return replica
  }
  const call = async ({ url }: ServiceProcess, method: string, path: string, options: object = {}) => {
    const reply = await request(url, method, path, options)
    if (reply.status >= 400) refused.push(reply)
    return reply
  }
  return {
    tenant,
    issuer,
    refused,
    call,
    startOld: (more = {}, own = client) => start(previous.main, more, own),
    startNew: (more = {}, own = client) => start(undefined, more, own),
    startOldInVain: () => startInVain(environment({}, client), previous.main),
    /** Errors in the logs of all processes; the tests expect none. */
    errors: () =>
      replicas.flatMap((replica) =>
        linesOf(replica).filter(({ level, msg }) => level >= 50 && msg !== OVERTAKEN),
      ),
    /** A user with `count` tokens, and two of a later login. */
    userWithTokens(count: number, user: Parameters<typeof tenant.addUser>[0] = {}) {
      const { id } = tenant.addUser(user)
      tenant.issueTokens(id, count)
      tenant.issueTokens(id, 2, { issuedAt: Date.now() + LATER_MS })
      return id
    },
    async accept(replica: ServiceProcess, userId: string, headers = {}): Promise<string> {
      return (await call(replica, 'POST', '/logout-hook', { body: { userId }, headers })).json.id
    },
  }
}

function linesOf({ output }: ServiceProcess) {
  const lines = output().split('\n')
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
}

/** The ids of the revocations that a process has ended. */
function endedBy(replica: ServiceProcess): string[] {
  return linesOf(replica).flatMap(({ msg, id }) => (ENDED.includes(msg) ? [id] : []))
}

root.test('replicas of both versions work side by side', options, async (t) => {
  const world = await setUp(t, { latencyMs: 20 })
  const { tenant, issuer, refused, call, userWithTokens } = world
  const old = await world.startOld()
  /** The user of each revocation that must be verified in the end. */
  const users = new Map<string, string>()
  const accept = async (replica: ServiceProcess, userId: string, headers = {}) => {
    const id = await world.accept(replica, userId, headers)
    users.set(id, userId)
    return id
  }
  const record = (replica: ServiceProcess, sid: string, userId: string) =>
    call(replica, 'PUT', `/sessions/${sid}`, { body: { userId } })
  const repeatable = (key: string) => ({ 'idempotency-key': key })

  // Revocations that end before the upgrade.
  const answered = userWithTokens(1)
  const headers = { ...WAIT, ...repeatable('old') }
  const before = [
    await world.accept(old, answered, headers),
    await world.accept(old, userWithTokens(3), WAIT),
  ]
  for (const email of ['twin@example.com', 'Twin@example.com']) userWithTokens(1, { email })
  const body = { email: 'twin@EXAMPLE.com' }
  const ambiguous = (await call(old, 'POST', '/logout-hook', { body, headers: WAIT })).json
  t.match(ambiguous, { status: 'failed', error: { code: 'CURFEW_AMBIGUOUS_USER' } })

  // Work that is pending at the upgrade: users whose tokens cannot be listed, and a session.
  const [waiting, other] = [userWithTokens(3), userWithTokens(3)]
  const outages = [waiting, other].map((id) =>
    tenant.order({ kind: 'status', status: 503, route: 'list', id, times: Number.POSITIVE_INFINITY }),
  )
  const ofTheOld = await accept(old, waiting)
  const sessions = [userWithTokens(2), userWithTokens(2)] as const
  await record(old, 'of-the-old', sessions[0])

  const young = await world.startNew()
  const both = [old, young]
  const { code, stderr } = await world.startOldInVain()
  t.match([code, stderr], [75, /^CURFEW_STORE_NEWER: /], 'an old version that starts now is refused')

  // Signals to both versions, some of which join across versions.
  const ofTheNew = await accept(young, other)
  await Promise.all(
    both.map(async (replica) => {
      for (let count = 0; count < 20; count += 1) await accept(replica, userWithTokens(4))
      for (const userId of [waiting, other, waiting, other]) await accept(replica, userId)
    }),
  )
  t.equal(await world.accept(young, answered, repeatable('old')), before[0])
  const again = userWithTokens(1)
  const id = await accept(young, again, repeatable('new'))
  t.equal(await accept(old, again, repeatable('new')), id)
  await record(young, 'of-the-new', sessions[1])
  for (const sid of ['of-the-old', 'of-the-new']) await endSession(young.url, issuer, sid)
  for (const userId of sessions) {
    const { items } = (await call(young, 'GET', `/revocations?userId=${userId}`)).json
    t.equal(items.length, 1, 'a logout token ends a session that either version recorded')
    users.set(items[0].id, userId)
  }

  // Both versions read and retry what either wrote.
  for (const replica of both) {
    for (const id of [...users.keys(), ...before]) await call(replica, 'GET', `/revocations/${id}`)
    const { items } = (await call(replica, 'GET', '/revocations?limit=200')).json
    t.ok(items.length > 40)
    await call(replica, 'POST', `/revocations/${ambiguous.id}/retry`)
  }
  await call(young, 'POST', `/revocations/${ofTheOld}/retry`)
  await call(old, 'POST', `/revocations/${ofTheNew}/retry`)
  for (const outage of outages) outage.cancel()

  // The old version shuts down in mid-run.
  const busy = userWithTokens(300)
  await accept(old, busy)
  await until('the run has started', () => tenant.tokensOf(busy).length < 290)
  t.equal(await old.end('SIGTERM'), 0)

  const settled = async (id: string) => (await settledAt(young.url, id)).json
  for (const [id, userId] of users) {
    const { status, verified, proof } = await settled(id)
    if (status !== 'completed' || !verified || !proof) t.fail(`${id} is not verified`, { status, proof })
    if (tenant.tokensOf(userId).length !== 2) t.fail('only the tokens of the later login are left')
  }
  for (const id of before) t.match(await settled(id), { status: 'completed', verified: true, proof: null })
  t.match(await settled(ambiguous.id), { status: 'failed', verified: false, proof: null })
  for (const userId of [waiting, other]) {
    const ids = [...users].filter(([, of]) => of === userId).map(([id]) => id)
    const leading = await Promise.all(ids.map(async (id) => (await settled(id)).id))
    t.equal(new Set(leading).size, 1, 'all signals joined, whichever version accepted them')
  }

  for (const replica of both)
    t.ok(
      endedBy(replica).some((id) => users.has(id)),
      'each version did some of the work',
    )
  t.same(refused, [], 'no request was refused')
  t.same(world.errors(), [], 'no error was logged')
  const limited = tenant.calls.filter(({ status }) => status === 429)
  t.same(limited, [], 'together they keep the limits')
  t.equal(await young.end('SIGTERM'), 0)
})

root.test('the other version takes over the run of a killed replica', options, async (t) => {
  const { tenant, startOld, startNew, accept, errors } = await setUp(t, { latencyMs: 50 })
  // One client per replica, so that the tenant can tell their calls apart.
  const [oldClient, newClient] = [tenant.addClient(), tenant.addClient()]
  const one = { REVOKE_CONCURRENCY: '1' }
  /** Starts a run in this replica, while the other one is stopped for a moment. */
  const runOf = async (replica: ServiceProcess, other: ServiceProcess) => {
    other.process.kill('SIGSTOP')
    const { id: userId } = tenant.addUser()
    tenant.issueTokens(userId, 100)
    const id = await accept(replica, userId)
    await until('the run has started', () => tenant.tokensOf(userId).length < 98)
    other.process.kill('SIGCONT')
    return { id, userId }
  }
  const old = await startOld(one, oldClient)
  const first = await startNew(one, newClient)
  const ofTheNew = await runOf(first, old)
  t.equal(await first.end('SIGKILL'), 'SIGKILL')
  const { json } = await request(old.url, 'GET', `/revocations/${ofTheNew.id}`, { headers: WAIT })
  t.match(json, { status: 'completed', attempts: 2 }, 'the old version takes over a run of the new one')

  const second = await startNew(one, newClient)
  const listedAgain = (await settledAt(second.url, ofTheNew.id)).json
  t.match(listedAgain, { attempts: 2, verified: true, proof: { client: newClient.id } })
  const ofTheOld = await runOf(old, second)
  t.equal(await old.end('SIGKILL'), 'SIGKILL')
  const goneOn = (await settledAt(second.url, ofTheOld.id)).json
  t.match(
    goneOn,
    { attempts: 2, verified: true, proof: { client: newClient.id } },
    'the new version takes over a run of the old one',
  )
  for (const { userId } of [ofTheNew, ofTheOld]) t.same(tenant.tokensOf(userId), [])
  t.same(errors(), [])
})
