import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { MIGRATIONS } from '../../../src/stores/sqlite/migrations.ts'
import { fakeClock } from '../../support/clock.ts'
import { entryFor } from '../../support/config-file.ts'
import { startIssuer } from '../../support/issuer.ts'
import { isRefusal, startLogoutService, usersOf } from '../../support/logout-service.ts'
import { nothingStored } from '../../support/problems.ts'
import { temporaryFolder } from '../../support/service.ts'

t.test('a logout token ends the access of its user: 200, empty, no-store', async (t) => {
  const service = await startLogoutService(t)
  service.userWithTokens(2, { id: 'q1', subject: 'u1' })
  const reply = await service.logout(await service.token())
  t.same([reply.status, reply.text], [200, ''])
  t.equal(reply.headers.get('cache-control'), 'no-store')
  const [first] = await service.stored()
  t.match(await service.ended(first.id), {
    source: 'op',
    reason: 'logout',
    scope: 'issued-before',
    user: { subject: 'u1' },
    status: 'completed',
    tokens: { revoked: 2 },
  })
  t.same(await service.counts(), { 'op accepted': 1 })
})

t.test('a token is accepted once, until it expires', async (t) => {
  const clock = fakeClock()
  const service = await startLogoutService(t, { clock })
  const token = await service.token({ exp: Math.floor(clock.now() / 1000) + 1_800 })
  t.equal((await service.logout(token)).status, 200)
  for (const minutes of [0, 9, 2, 18, 1.9]) {
    clock.advance(minutes * 60_000)
    isRefusal(t, await service.logout(token), 400, 'invalid_request', /jti/, `${minutes} minutes later`)
  }
  clock.advance(60_000)
  isRefusal(t, await service.logout(token), 400, 'invalid_request', /exp/, 'expired')
  t.equal((await service.logout(await service.token())).status, 200, 'another one')
  t.same(await service.counts(), { 'op accepted': 2, 'op replayed': 5, 'op rejected': 1 })
})

t.test('two sources may use the same token ids', async (t) => {
  const service = await startLogoutService(t)
  await service.configure([service.entry(), service.entry({ name: 'other' })])
  t.equal((await service.logout(await service.token({ jti: 'same' }))).status, 200)
  t.equal((await service.logout(await service.token({ jti: 'same', sub: 'u2' }), 'other')).status, 200)
  t.same(await usersOf(service), [{ subject: 'u2' }, { subject: 'u1' }])
})

t.test('a source is restricted to the tenants, reason and user mapping of its entry', async (t) => {
  const service = await startLogoutService(t, {
    tenants: [entryFor('acme'), entryFor('globex')],
    entry: {
      tenantFrom: '{org}',
      tenants: ['acme'],
      reason: 'security',
      user: { as: 'subject', from: '{iss}|{sub}' },
    },
  })
  for (const [name, different] of [
    ['another tenant', { org: 'globex' }],
    ['the default tenant', { org: 'default' }],
    ['no tenant', {}],
    ['one that is not configured', { org: 'none' }],
  ] as const) {
    isRefusal(t, await service.logout(await service.token(different)), 400, 'invalid_request', /tenant/, name)
  }
  await nothingStored(t, service)
  const own = await service.token({ org: 'acme', reason: 'logout', tenant: 'globex', scope: 'issued-before' })
  t.equal((await service.logout(own)).status, 200)
  t.match(await service.stored(), [
    { tenant: 'acme', reason: 'security', scope: 'all', user: { subject: `${service.issuer.url}|u1` } },
  ])
})

t.test('a user who is not identified as the entry requires is rejected', async (t) => {
  const service = await startLogoutService(t, { entry: { user: { as: 'email' } } })
  const none = await service.logout(await service.token())
  isRefusal(t, none, 400, 'invalid_request', /not identify a user/, 'no email')
  await nothingStored(t, service)
  t.equal((await service.logout(await service.token({ email: 'ann@example.com' }))).status, 200)
  t.same(await usersOf(service), [{ email: 'ann@example.com' }])
})

t.test('a session without a user is looked up; if it is not recorded, the error says so', async (t) => {
  const service = await startLogoutService(t)
  const forSession = () => service.token({ sub: undefined, sid: 's1' })
  isRefusal(
    t,
    await service.logout(await forSession()),
    400,
    'invalid_request',
    /PUT \/sessions\/\{sid\}/,
    'not told',
  )
  await nothingStored(t, service)
  const told = await service.call('PUT', '/sessions/s1', { body: { userId: 'q1' } })
  t.equal(told.status, 204)
  t.equal((await service.logout(await forSession())).status, 200)
  t.equal((await service.logout(await service.token({ sub: 'u2', sid: 's1' }))).status, 200)
  t.same(
    await usersOf(service),
    [{ subject: 'u2' }, { userId: 'q1' }],
    'where both are there, the user counts',
  )
})

t.test("if a token lacks the members of the entry's template, its session identifies the user", async (t) => {
  const service = await startLogoutService(t, { entry: { user: { as: 'email' } } })
  const both = () => service.token({ sub: 'auth0|1', sid: 's1' })
  isRefusal(t, await service.logout(await both()), 400, 'invalid_request', /not identify a user/, 'not told')
  await nothingStored(t, service)
  await service.call('PUT', '/sessions/s1', { body: { email: 'ann@example.com' } })
  t.equal((await service.logout(await both())).status, 200)
  t.same(await usersOf(service), [{ email: 'ann@example.com' }])
})

t.test("a session is looked up in the source's tenant, and not after its end", async (t) => {
  const clock = fakeClock()
  const service = await startLogoutService(t, {
    clock,
    tenants: [entryFor('acme')],
    entry: { tenant: 'acme' },
  })
  const logout = async () => (await service.logout(await service.token({ sub: undefined, sid: 's1' }))).status
  await service.call('PUT', '/sessions/s1', { body: { userId: 'default-user' } })
  t.equal(await logout(), 400, 'of another tenant')
  await service.call('PUT', '/sessions/s1', { body: { userId: 'q1', tenant: 'acme', ttlSeconds: 600 } })
  clock.advance(599_000)
  t.equal(await logout(), 200)
  clock.advance(1_000)
  t.equal(await logout(), 400, 'it has expired')
  t.same(await usersOf(service), [{ userId: 'q1' }])
})

t.test('a session belongs to the source of its issuer', async (t) => {
  const service = await startLogoutService(t)
  const issuer = await startIssuer(t, { typ: 'logout+jwt' })
  const other = service.entry({ name: 'other', issuer: issuer.url })
  await service.configure([service.entry(), other])
  const bySid = { sub: undefined, sid: 's1' }
  const ofOp = async () => service.logout(await service.token(bySid))
  const ofOther = async () =>
    service.logout(await issuer.sign(service.claims({ iss: issuer.url, ...bySid })), 'other')
  const note = (source: string, userId: string) =>
    service.call('PUT', '/sessions/s1', { body: { source, userId } })

  await note('op', 'q1')
  isRefusal(t, await ofOther(), 400, 'invalid_request', /PUT \/sessions\/\{sid\}/, "another source's")
  await nothingStored(t, service)
  await note('other', 'q2')
  t.equal((await ofOther()).status, 200)
  t.same(await usersOf(service), [{ userId: 'q2' }])
  await service.call('DELETE', '/sessions/s1?source=other')
  t.equal((await ofOther()).status, 400, 'forgotten')
  t.equal((await ofOp()).status, 200, 'the other one is not')
  t.same(await usersOf(service), [{ userId: 'q1' }, { userId: 'q2' }])

  await service.configure([other])
  t.equal((await ofOther()).status, 400, "nor is it an only source's what was noted for another one")
  await service.configure([service.entry(), other])
  await service.call('DELETE', '/sessions/s1?source=op')
  t.equal((await ofOp()).status, 400)
})

t.test('a session recorded before the upgrade, without a source', async (t) => {
  const path = join(temporaryFolder(t), 'curfew.db')
  const file = new DatabaseSync(path)
  file.exec(`${MIGRATIONS.slice(0, 3).join(';')}; PRAGMA user_version = 3`)
  const note = file.prepare(`INSERT INTO sessions VALUES ('default', ?, 'userId', 'q1', ?)`)
  for (const sid of ['s1', 's2']) note.run(sid, Date.now() + 600_000)
  file.close()
  const service = await startLogoutService(t, { environment: { DATABASE_URL: `sqlite:${path}` } })
  const logout = async (sid: string) => {
    const { status } = await service.logout(await service.token({ sub: undefined, sid }))
    return status
  }
  t.equal(await logout('s1'), 200, "the only source's")
  t.same(await usersOf(service), [{ userId: 'q1' }])
  await service.configure([service.entry(), service.entry({ name: 'other' })])
  t.equal(await logout('s1'), 400, 'the source of the session is ambiguous')
  await service.configure([service.entry(), service.entry({ name: 'other', kind: 'shared-signals' })])
  t.equal(await logout('s1'), 200, 'the other one names no sessions')
  await service.call('DELETE', '/sessions/s1')
  t.equal(await logout('s1'), 400, 'forgotten')
  await service.call('PUT', '/sessions/s2', { body: { userId: 'q2' } })
  t.equal(await logout('s2'), 200)
  t.same((await usersOf(service))[0], { userId: 'q2' }, 'replaced')
})

t.test('a reload changes sources immediately', async (t) => {
  const service = await startLogoutService(t)
  await service.logout(await service.token())
  await service.configure([])
  t.equal((await service.logout(await service.token())).status, 404)
  const wrong = await service.configure([service.entry({ issuer: '' })])
  t.equal(wrong.status, 422)
  await service.configure([service.entry({ audience: ['new-client'] })])
  t.equal((await service.logout(await service.token())).status, 400)
  t.equal((await service.logout(await service.token({ aud: 'new-client' }))).status, 200)
})
