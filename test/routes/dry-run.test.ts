import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { EACH, idsOf, type Json, type Name, nothingDone, preview, ROUTES } from '../support/dry-run.ts'
import { isProblem } from '../support/problems.ts'
import { API_KEY, startService } from '../support/service.ts'
import { signed } from '../support/webhook.ts'

t.test('each route reports what would be revoked, by each kind of name, in the same format', async (t) => {
  const service = await startService(t)
  const { tenant } = service.sandbox
  const ann = service.userWithTokens(120, { email: 'ann@example.com', subject: 'idp|ann' })
  const expected = idsOf(tenant.tokensOf(ann.id))
  for (const route of EACH) {
    for (const name of [{ userId: ann.id }, { subject: ann.subject }, { email: 'ann@example.com' }]) {
      if (route === 'revoke-all' && !('userId' in name)) continue
      const { tokens, occurredAt, ...rest } = await preview(service, route, name)
      const isLogout = route === 'logout-hook'
      t.same(
        rest,
        {
          tenant: 'default',
          user: { ...name, resolved: [ann.id] },
          reason: isLogout ? 'logout' : 'security',
          scope: isLogout ? 'issued-before' : 'all',
          finding: 'exists',
          kept: [],
          truncated: false,
        },
        `${route} by ${Object.keys(name)}`,
      )
      t.match(occurredAt, /^\d{4}-\d\d-\d\dT/)
      t.same(idsOf(tokens), expected, 'over several pages')
      t.same(Object.keys(tokens[0]), ['id', 'deviceType', 'lastUsed', 'description', 'clientId', 'why'])
    }
  }
  t.equal(tenant.tokensOf(ann.id).length, 120)
  await nothingDone(t, service)
})

t.test('tokens that would be kept are listed with the reason', async (t) => {
  const service = await startService(t)
  const { tenant } = service.sandbox
  const { id: userId } = tenant.addUser()
  const now = Date.now()
  const [early, phone, late] = (
    [
      [-60_000, 'Laptop'],
      [-60_000, 'Phone'],
      [0, 'Laptop'],
    ] as const
  ).map(([ago, deviceType]) => tenant.issueTokens(userId, 1, { issuedAt: now + ago, deviceType })[0]?.id)
  const occurredAt = new Date(now - 30_000).toISOString()
  for (const route of EACH) {
    const body = { reason: 'logout', occurredAt, deviceType: 'Laptop' }
    const view = await preview(service, route, { userId }, { body })
    t.match(view, { finding: 'exists', reason: 'logout', deviceType: 'Laptop', occurredAt }, route)
    t.match(view.tokens, [{ id: early, why: 'granted-before' }])
    t.equal(view.tokens.length, 1)
    const why = Object.fromEntries(view.kept.map((token: Json) => [token.id, token.why]))
    t.same(why, { [String(phone)]: 'other-device-type', [String(late)]: 'granted-after' })
    const all = await preview(service, route, { userId }, { body: { reason: 'security', occurredAt } })
    t.match(all.tokens, Array(3).fill({ why: 'every-token' }), 'a security matter ends all')
  }
  const ownId = service.client.userId
  const own = await preview(service, 'revoke-all', { userId: ownId }, { body: { occurredAt } })
  t.match(own, { finding: 'exists', user: { resolved: [ownId] }, tokens: [] })
  t.match(own.kept, [{ why: 'granted-after' }], "Curfew's own access token is newer than the signal")
  await nothingDone(t, service)
})

t.test(
  'tokens that clocks cannot decide are reported as undecided, and kept unless the reason is security',
  async (t) => {
    const skew = 60_000
    const service = await startService(t, { sandbox: { clockSkewMs: skew } })
    const { tenant } = service.sandbox
    const { id: userId } = tenant.addUser()
    // By the tenant's clock the session ended at that time or a minute later: the sender's clock may agree with either.
    const occurredAt = Date.now() - 2 * skew
    const [open] = tenant.issueTokens(userId, 1, { issuedAt: occurredAt + skew / 2 })
    const [opaque] = tenant.issueTokens(userId, 1, { idForm: 'opaque' })
    for (const route of EACH) {
      const signal = { occurredAt: new Date(occurredAt).toISOString(), scope: 'issued-before' }
      const logout = await preview(service, route, { userId }, { body: { ...signal, reason: 'logout' } })
      t.match(logout.kept, [{ id: open?.id, why: 'undecided' }], route)
      t.match(logout.tokens, [{ id: opaque?.id, why: 'no-grant-time' }])
      const security = await preview(service, route, { userId }, { body: { ...signal, reason: 'security' } })
      t.same(security.kept, [])
      t.match(security.tokens, [
        { id: open?.id, why: 'undecided' },
        { id: opaque?.id, why: 'no-grant-time' },
      ])
    }
  },
)

t.test('an empty list is never returned without the state of the user', async (t) => {
  const service = await startService(t)
  const { tenant } = service.sandbox
  const zoe = tenant.addUser({ id: '6b1c9d0e5f', email: 'zoe@example.com' })
  service.userWithTokens(3, { id: 'Zoe', email: 'Twin@example.com' })
  service.userWithTokens(3, { email: 'twin@example.com' })
  const bot = String(tenant.users.get(service.client.userId)?.subject)
  const cases: [name: Name, finding: string, resolved: string[]][] = [
    [{ userId: zoe.id }, 'exists', [zoe.id]],
    [{ email: 'zoe@example.com' }, 'exists', [zoe.id]],
    [{ userId: zoe.id.toUpperCase() }, 'no-such-user', []],
    [{ userId: ` ${zoe.id}` }, 'no-such-user', []],
    [{ userId: `${zoe.id}0` }, 'no-such-user', []],
    [{ userId: 'zoe@example.com' }, 'no-such-user', []],
    [{ userId: 'me' }, 'no-such-user', []],
    [{ userId: 'zoe' }, 'no-such-user', []],
    [{ email: 'nobody@example.com' }, 'no-matching-user', []],
    [{ subject: 'zoe@example.com' }, 'no-matching-user', []],
    [{ email: 'twin@example.com' }, 'ambiguous', []],
    [{ subject: bot }, 'own-user', []],
  ]
  for (const route of EACH) {
    for (const [name, finding, resolved] of cases) {
      if (route === 'revoke-all' && !('userId' in name)) continue
      const { tokens, kept, user, ...rest } = await preview(service, route, name)
      const expected = { user: { ...name, resolved }, tokens: [], kept: [] }
      t.same({ user, tokens, kept }, expected, `${route}, ${JSON.stringify(name)}`)
      t.match(rest, { finding, truncated: false })
    }
  }
  await nothingDone(t, service)
})

t.test('a client that cannot see tokens of other users reports that they are unknown', async (t) => {
  const service = await startService(t, { client: { admin: false, rolesReported: false } })
  const ann = service.userWithTokens(2, { email: 'ann@example.com' })
  for (const name of [{ userId: ann.id }, { email: 'ann@example.com' }])
    t.match(await preview(service, 'bulk', name), { finding: 'none-visible', tokens: [], kept: [] })
  const own = await preview(service, 'bulk', { userId: service.client.userId })
  t.equal(own.finding, 'exists')
  // Curfew's own token may have been granted in the second of the signal, and is undecided then.
  t.equal(own.tokens.length + own.kept.length, 1)
})

t.test('a client with a narrower scope than requested is an error, not an empty list', async (t) => {
  const service = await startService(t)
  const ann = service.userWithTokens(2)
  service.sandbox.tenant.changeClient(service.client.id, { grantedScope: 'user_default' })
  service.sandbox.tenant.expireAccessTokens(service.client.id)
  for (const route of ['revoke-all', 'logout-hook'] as const)
    isProblem(t, await ROUTES[route](service, { userId: ann.id }), 'CURFEW_SCOPE_TOO_NARROW')
  for (const name of [{ userId: ann.id }, { email: 'nobody@example.com' }]) {
    const { json } = await ROUTES.bulk(service, name)
    t.match(json.items, [{ index: 0, error: { code: 'CURFEW_SCOPE_TOO_NARROW' } }])
  }
})

t.test('a role that was just removed is detected before an empty list is trusted', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, { clock, sandbox: { now: clock.now } })
  const ann = service.userWithTokens(2)
  t.equal((await preview(service, 'revoke-all', { userId: ann.id })).tokens.length, 2)
  service.sandbox.tenant.users.get(service.client.userId)?.roles.pop()
  clock.advance(10_000)
  const reply = await ROUTES['revoke-all'](service, { userId: ann.id })
  isProblem(t, reply, 'CURFEW_CLIENT_NOT_ADMIN')
})

t.test('dryRun is true, false, 1 or 0, once', async (t) => {
  const service = await startService(t)
  const ann = { userId: service.userWithTokens(1).id }
  for (const route of EACH) {
    for (const value of [
      'maybe',
      '',
      '2',
      'TRUE',
      'yes',
      ' true',
      'true&dryRun=true',
      'false&dryRun=false',
    ]) {
      const reply = await ROUTES[route](service, ann, { query: `dryRun=${value}` })
      isProblem(t, reply, 'CURFEW_REQUEST_INVALID', 'dryRun')
    }
    t.equal((await preview(service, route, ann, { query: 'dryRun=1' })).tokens.length, 1)
  }
  await nothingDone(t, service)
  for (const route of EACH)
    for (const value of ['false', '0'])
      t.equal(
        (await ROUTES[route](service, ann, { query: `dryRun=${value}` })).status,
        202,
        `${route} ${value}`,
      )
})

t.test(
  'dryRun is rejected on signed requests, whatever its value, and the signal can still be sent',
  async (t) => {
    const service = await startService(t)
    const { id } = service.userWithTokens(1)
    const body = JSON.stringify({ userId: id })
    const headers = signed(body)
    for (const value of ['true', 'false', '1', '0']) {
      for (const authorization of ['', `Bearer ${API_KEY}`]) {
        const sent = { body, headers: { ...headers, authorization } }
        const reply = await service.call('POST', `/logout-hook?dryRun=${value}`, sent)
        isProblem(t, reply, 'CURFEW_REQUEST_INVALID', 'dryRun')
      }
    }
    const forged = { ...headers, 'webhook-signature': 'v1,AAAA' }
    const unproven = await service.call('POST', '/logout-hook?dryRun=true', { body, headers: forged })
    isProblem(t, unproven, 'CURFEW_SIGNATURE_INVALID')
    await nothingDone(t, service)
    const accepted = await service.call('POST', '/logout-hook', { body, headers })
    t.equal(accepted.status, 202)
    t.match(await service.ended(accepted.json.id), { tokens: { revoked: 1 } })
  },
)

t.test('a dry run neither uses nor replays an Idempotency-Key, and does not wait', async (t) => {
  for (const route of EACH) {
    const service = await startService(t)
    const ann = { userId: service.userWithTokens(2).id }
    const headers = { 'idempotency-key': '"key"', prefer: 'wait=30' }
    const dry = await ROUTES[route](service, ann, { headers })
    t.equal(dry.headers.get('preference-applied'), null)
    await nothingDone(t, service)
    // The URLs differ only in the parameter. If the key were used, another URL would be a mismatch.
    const accepted = await ROUTES[route](service, ann, {
      query: '',
      headers: { 'idempotency-key': '"key"' },
    })
    t.equal(accepted.status, 202, route)
    const { id } = accepted.json.items?.[0].revocation ?? accepted.json
    t.match(await service.ended(id), { tokens: { revoked: 2 } })
    const again = await preview(service, route, ann, { headers })
    t.match(again, { finding: 'exists', tokens: [] })
    t.equal((await service.stored()).length, 1)
  }
})
