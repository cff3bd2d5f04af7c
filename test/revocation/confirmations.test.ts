import t, { type Test } from 'tap'
import type { RevocationView } from '../../src/revocation/revocation-view.ts'
import { skippingClock } from '../support/clock.ts'
import { until } from '../support/events.ts'
import { startPostgres } from '../support/postgres.ts'
import { databaseUrl, type Service, startService } from '../support/service.ts'

/** When the confirming listing is due. */
const LEEWAY_MS = 6_500
const WAIT = { headers: { prefer: 'wait=30' } }

const server = await startPostgres(t)
const STORES: Record<string, (t: Test) => Promise<string>> = {
  sqlite: async (t) => databaseUrl(t),
  postgres: () => server.createDatabase(),
}

const shown = async ({ call }: Service, id: string): Promise<RevocationView> =>
  (await call('GET', `/revocations/${id}`)).json

/** Posts a logout and waits until it has completed. */
async function complete(service: Service, body: object): Promise<RevocationView> {
  const { status, json } = await service.call('POST', '/logout-hook', { body, ...WAIT })
  if (status !== 200) throw new Error(`expected 200, got ${status}`)
  return json
}

for (const [name, open] of Object.entries(STORES)) {
  t.test(`${name}: completed immediately, verified after the leeway with one read`, async (t) => {
    const clock = skippingClock()
    const service = await startService(t, { clock, environment: { DATABASE_URL: await open(t) } })
    const user = service.userWithTokens(3)
    const completed = await complete(service, { userId: user.id })
    t.match(completed, { status: 'completed', outcome: 'revoked', verified: false, proof: { pages: 1 } })
    const leewayMs = Date.parse(String(completed.verificationDueAt)) - Date.parse(completed.occurredAt)
    t.ok(leewayMs > 4_000 && leewayMs <= 6_300, `due ${leewayMs} ms after the signal`)
    const { calls } = service.sandbox.tenant
    const before = calls.length
    const waiting = service.call('GET', `/revocations/${completed.id}`, WAIT)
    clock.skip(LEEWAY_MS)
    t.match((await waiting).json, { status: 'completed', verified: true, verificationDueAt: null })
    // On PostgreSQL the due time follows the database clock, which does not skip: after those real seconds, the
    // finding about Curfew's role is older than FRESH_POWER_MS and is read again.
    const routes = calls.slice(before).map(({ route }) => route)
    t.same(
      routes.filter((route) => route !== 'me' && route !== 'user'),
      ['list'],
    )
  })

  t.test(`${name}: a token that appears late is revoked under the same id`, async (t) => {
    const clock = skippingClock()
    const service = await startService(t, { clock, environment: { DATABASE_URL: await open(t) } })
    const { tenant } = service.sandbox
    const user = service.userWithTokens(2)
    const { id, occurredAt } = await complete(service, { userId: user.id })
    tenant.issueTokens(user.id, 1, { issuedAt: Date.parse(occurredAt) - 1_000 })
    const later = tenant.issueTokens(user.id, 1, { issuedAt: Date.parse(occurredAt) + 60_000 })
    clock.skip(LEEWAY_MS)
    t.match(await service.settled(id), {
      id,
      verified: true,
      attempts: 2,
      tokens: { revoked: 3, kept: 1, found: 4, remaining: 0 },
    })
    t.same(tenant.tokensOf(user.id), later, 'a user who logs in again keeps the new token')
  })

  t.test(`${name}: if the process that completed it ends, another one confirms it`, async (t) => {
    const environment = { DATABASE_URL: await open(t) }
    const clock = skippingClock()
    const first = await startService(t, { clock, environment })
    const user = first.userWithTokens(2)
    const { id } = await complete(first, { userId: user.id })
    await first.app.close()
    clock.skip(LEEWAY_MS)
    const second = await startService(t, { environment, share: first })
    t.match(await second.settled(id), { status: 'completed', verified: true, attempts: 1 })
  })

  t.test(`${name}: a newer signal for the same user takes over the confirmation`, async (t) => {
    const clock = skippingClock()
    const service = await startService(t, { clock, environment: { DATABASE_URL: await open(t) } })
    const { tenant } = service.sandbox
    const user = service.userWithTokens(2)
    const older = await complete(service, { userId: user.id })
    const newer = await complete(service, { userId: user.id })
    t.not(newer.id, older.id)
    const before = tenant.calls.length
    clock.skip(LEEWAY_MS)
    t.match(await service.settled(newer.id), { verified: true })
    t.match(await shown(service, older.id), { verified: true, verificationDueAt: null })
    t.equal(tenant.calls.slice(before).filter(({ route }) => route === 'list').length, 1)
  })
}

t.test(
  'a revocation completed by a version without proofs is verified by a listing, however late',
  async (t) => {
    const clock = skippingClock()
    const url = await server.createDatabase()
    const service = await startService(t, { clock, environment: { DATABASE_URL: url } })
    const { id } = await complete(service, { userId: service.userWithTokens(1).id })
    // As such a version left it a minute ago: due immediately, with only an upper bound of the signal's time known.
    await server.query(
      url,
      `UPDATE curfew.revocations SET verified = 1, proof = NULL, resolved = '[]', verification_due_at = 0,
       signal_time = NULL, signal_time_of = NULL, occurred_at = occurred_at - 60000`,
    )
    t.match(await service.settled(id), { verified: true, proof: { listings: 1 }, tokens: { undecided: 0 } })
  },
)

t.test('a retry before the confirming listing changes nothing', async (t) => {
  const service = await startService(t)
  const completed = await complete(service, { userId: service.userWithTokens(1).id })
  const { status, json } = await service.call('POST', `/revocations/${completed.id}/retry`)
  t.equal(status, 202)
  t.strictSame(json, completed)
  t.strictSame(await shown(service, completed.id), completed)
})

t.test(
  'a failed listing is repeated; after 24 hours the revocation stays unverified, with an error code',
  async (t) => {
    const clock = skippingClock()
    const service = await startService(t, { clock, random: () => 0.99 })
    const { tenant } = service.sandbox
    const { id } = await complete(service, { userId: service.userWithTokens(1).id })
    const order = tenant.order({
      kind: 'status',
      status: 503,
      route: 'list',
      times: Number.POSITIVE_INFINITY,
    })
    clock.skip(LEEWAY_MS)
    const hasFailed = (times: number) => until(`it has failed ${times} times`, () => order.applied >= times)
    await hasFailed(1)
    const error = { code: 'CURFEW_QLIK_UNAVAILABLE' }
    const isShown = async (expected: object) => {
      await until(JSON.stringify(expected), async () => {
        const current = await shown(service, id)
        return Object.entries(expected).every(([key, value]) => Object(current)[key] === value)
      })
      return shown(service, id)
    }
    await until('the failure is stored', async () => (await shown(service, id)).error !== null)
    t.match(await shown(service, id), {
      status: 'completed',
      verified: false,
      error,
      verificationDueAt: String,
    })
    clock.skip(24 * 60 * 60_000 + 1_000)
    const given = await isShown({ verificationDueAt: null })
    t.match(given, { status: 'completed', verified: false, error })
    order.cancel()
    t.equal((await service.call('POST', `/revocations/${id}/retry`)).status, 202)
    t.match(await service.settled(id), { status: 'completed', verified: true, error: null })
  },
)

t.test('a listing that succeeds after some failures still confirms', async (t) => {
  const clock = skippingClock()
  const service = await startService(t, { clock, random: () => 0 })
  const { id } = await complete(service, { userId: service.userWithTokens(1).id })
  service.sandbox.tenant.order({ kind: 'status', status: 503, route: 'list', times: 3 })
  clock.skip(LEEWAY_MS)
  t.match(await service.settled(id), { status: 'completed', verified: true, error: null })
})

t.test('if the role is withdrawn in between, the listing is not accepted as proof', async (t) => {
  const clock = skippingClock()
  const service = await startService(t, { clock, random: () => 0.99 })
  const { tenant } = service.sandbox
  const { id } = await complete(service, { userId: service.userWithTokens(1).id })
  tenant.changeClient(service.client.id, { admin: false })
  clock.skip(11_000)
  await until('it is noticed', async () => (await shown(service, id)).error !== null)
  t.match(await shown(service, id), { verified: false, error: { code: 'CURFEW_CLIENT_NOT_ADMIN' } })
})

t.test('revocations are found by the Qlik user that their names resolved to', async (t) => {
  const service = await startService(t)
  const user = service.userWithTokens(1, { email: 'ann@example.com', subject: 'idp|ann' })
  const other = service.userWithTokens(1)
  const ids: string[] = []
  for (const body of [{ userId: user.id }, { email: 'ann@example.com' }, { subject: 'idp|ann' }]) {
    const ended = await service.revoke(body)
    t.same(ended.user, { ...body, resolved: [user.id] })
    ids.unshift(ended.id)
  }
  await service.revoke({ userId: other.id })
  const { json } = await service.call('GET', `/revocations?userId=${user.id}`)
  t.same(
    json.items.map((item: RevocationView) => item.id),
    ids,
  )
  const page = await service.call('GET', `/revocations?userId=${user.id}&limit=1&cursor=${ids[0]}`)
  t.match(page.json, { items: [{ id: ids[1] }], nextCursor: ids[1] })
})

t.test('a failed revocation retried while another is queued is superseded by it', async (t) => {
  const service = await startService(t, { random: () => 0.99 })
  const { tenant } = service.sandbox
  const user = service.userWithTokens(1)
  const order = tenant.order({ kind: 'status', status: 403, route: 'list', times: 1 })
  const failed = await service.revoke({ userId: user.id })
  t.match(failed, { status: 'failed', supersededBy: null })
  t.equal(order.applied, 1)
  tenant.order({ kind: 'status', status: 503, route: 'list' })
  const { json: queued } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
  await until('it waits', async () => (await shown(service, queued.id)).nextAttemptAt !== null)
  const retried = await service.call('POST', `/revocations/${failed.id}/retry`)
  t.equal(retried.json.id, queued.id)
  t.match(await shown(service, failed.id), { status: 'superseded', supersededBy: queued.id })
  const ids = async (status: string) =>
    (await service.call('GET', `/revocations?status=${status}`)).json.items.map(
      ({ id }: { id: string }) => id,
    )
  t.same(await ids('superseded'), [failed.id])
  t.same(await ids('failed'), [])
  t.match(await service.settled(queued.id), { verified: true })
})
