import t from 'tap'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { configurationFile } from '../support/config-file.ts'
import { nextCall, until } from '../support/events.ts'
import { startIssuer } from '../support/issuer.ts'
import { CLIENT, endSession } from '../support/logout-service.ts'
import { previousIsMissing, previousVersion } from '../support/previous-version.ts'
import { type ServiceProcess, startInVain, startProcess } from '../support/process.ts'
import { databaseUrl, environmentFor, request, settledAt } from '../support/service.ts'

const WAIT = { prefer: 'wait=30' }
const KEY = { 'idempotency-key': 'of-the-old-version' }
/** Late enough that the tokens always belong to a later login. */
const LATER_MS = 4 * 60_000
const options = { skip: previousIsMissing(), timeout: 180_000 }

t.test('this version continues with the file of a previous version that was killed', options, async (t) => {
  const previous = previousVersion(t)
  const sandbox = await startSandbox()
  t.teardown(() => sandbox.close())
  const { tenant } = sandbox
  const issuer = await startIssuer(t, { typ: 'logout+jwt' })
  const source = { name: 'op', kind: 'oidc-back-channel-logout', issuer: issuer.url, audience: CLIENT }
  // The tenant does not report the client's roles, so that the first empty list is not accepted as proof.
  const environment = environmentFor(sandbox, tenant.addClient({ rolesReported: false }), databaseUrl(t), {
    CONFIG_FILE: configurationFile(t, { sources: [source] }).path,
  })
  const userWithTokens = (count: number, user: Parameters<typeof tenant.addUser>[0] = {}) => {
    const { id } = tenant.addUser(user)
    tenant.issueTokens(id, count)
    if (count > 0) tenant.issueTokens(id, 2, { issuedAt: Date.now() + LATER_MS })
    return id
  }
  const accept = async ({ url }: ServiceProcess, body: object, headers = {}) => {
    const { status, json } = await request(url, 'POST', '/logout-hook', { body, headers })
    if (status !== 200 && status !== 202) throw new Error(`expected 200 or 202, got ${status}`)
    return json
  }
  const shown = async ({ url }: ServiceProcess, id: string) =>
    (await request(url, 'GET', `/revocations/${id}`)).json

  const old = await startProcess(t, environment, previous.main)
  const ended = [await accept(old, { userId: userWithTokens(0) }, WAIT)]
  t.match(ended, [{ status: 'completed', outcome: 'none-visible', verified: false }])
  ended.push(await accept(old, { userId: userWithTokens(3) }, { ...WAIT, ...KEY }))
  for (const email of ['twin@example.com', 'Twin@example.com']) userWithTokens(1, { email })
  ended.push(await accept(old, { email: 'twin@EXAMPLE.com' }, WAIT))
  t.match(ended.slice(1), [{ status: 'completed', verified: true }, { status: 'failed' }])
  const ofSession = userWithTokens(2)
  await request(old.url, 'PUT', '/sessions/s', { body: { userId: ofSession } })

  /** The user of each pending revocation. */
  const pending = new Map<string, string>()
  const leave = async (userId: string) => {
    const { id } = await accept(old, { userId })
    pending.set(id, userId)
    return id
  }
  const waiting = userWithTokens(3)
  const outage = tenant.order({ kind: 'status', status: 503, route: 'list', id: waiting, times: 1_000 })
  const waitingId = await leave(waiting)
  await until('it waits', async () => (await shown(old, waitingId)).nextAttemptAt !== null)
  await leave(waiting)
  const running = userWithTokens(120)
  const runningId = await leave(running)
  await nextCall(sandbox, ({ route }) => route === 'revoke')
  tenant.settings.latencyMs = 500
  const queuedId = await leave(running)
  t.match(await shown(old, runningId), { status: 'running' })
  t.match(await shown(old, queuedId), { status: 'queued' })
  t.equal(await old.end('SIGKILL'), 'SIGKILL')
  tenant.settings.latencyMs = 0
  outage.cancel()
  const spent = tenant.calls.filter(({ tier }) => tier === 2).length

  const young = await startProcess(t, environment)
  const { text } = await request(young.url, 'GET', '/metrics')
  const [, left] = /^curfew_budget_remaining\{.*tier="2"\} (\d+)$/m.exec(text) ?? []
  t.ok(Number(left) <= 500 - spent, `of 500 calls ${left} are left, after ${spent}`)
  for (const one of ended) {
    const { status, outcome, verified, error, tokens, completedAt } = one
    const kept = { status, outcome, verified, tokens, completedAt, proof: null, verificationDueAt: null }
    t.equal((await shown(young, one.id)).error?.code, error?.code)
    t.match(await shown(young, one.id), kept, 'ended revocations stay unchanged')
  }
  for (const [id, userId] of pending) {
    const settled = (await settledAt(young.url, id)).json
    t.match(settled, { status: 'completed', verified: true, proof: { role: 'others-seen' } })
    t.equal(tenant.tokensOf(userId).length, 2, 'only the tokens of the later login are left')
  }
  t.equal((await shown(young, queuedId)).id, runningId, 'the queued signal joined the run')
  t.equal((await accept(young, { userId: ended[1].user.userId }, KEY)).id, ended[1].id)
  await endSession(young.url, issuer, 's')
  const { items } = (await request(young.url, 'GET', `/revocations?userId=${ofSession}`)).json
  t.equal(items.length, 1, 'the session was kept')
  t.equal(await young.end('SIGTERM'), 0)

  const downgraded = await startInVain(environment, previous.main)
  t.match([downgraded.code, downgraded.stderr], [75, /^CURFEW_STORE_NEWER: /], 'a downgrade is refused')
  const again = await startProcess(t, environment)
  t.match(await shown(again, runningId), { status: 'completed', verified: true })
  t.equal(await again.end('SIGTERM'), 0)
})
