import t from 'tap'
import { rejection } from '../support/events.ts'
import { clientOf, FIRST, json, SIGNAL, secret, withAnswer, withSandbox } from './open-client.ts'

t.test('the lifetime of an access token is what Qlik reports', async (t) => {
  for (const expiryFields of ['both', 'expires_in', 'expires_at'] as const) {
    const { lifetimeMs } = await withSandbox(t, {
      expiryFields,
      accessTokenLifetimeMs: 3_600_000,
      clockSkewMs: -7_200_000,
    })
    t.ok(Math.abs(lifetimeMs - 3_600_000) < 5_000, `${expiryFields}: ${lifetimeMs}, by the tenant's clock`)
  }
  t.equal(
    (await withSandbox(t, { expiryFields: 'none' })).lifetimeMs,
    300_000,
    'a short one if it reports none',
  )
  const nonsense = await withAnswer(t, json({ access_token: 'a', expires_in: 'x', expires_at: 'y' }))
  t.equal((await nonsense.requestAccessToken(secret('s'), SIGNAL)).lifetimeMs, 300_000)
  const endless = await withAnswer(t, json({ access_token: 'a', expires_in: 1e12 }))
  t.equal((await endless.requestAccessToken(secret('s'), SIGNAL)).lifetimeMs, 86_400_000)
})

t.test('a refused client is distinguished from a refused access token', async (t) => {
  const { sandbox } = await withSandbox(t)
  const unknown = clientOf(t, sandbox.url, { clientId: 'unknown', credential: secret('x') })
  t.match(await rejection(unknown.requestAccessToken()), {
    kind: 'credential-refused',
    message: /401 \(OAUTH-5\)/,
  })
  const disabled = sandbox.tenant.addClient({ disabled: true })
  const other = clientOf(t, sandbox.url, {
    clientId: disabled.id,
    credential: secret(disabled.secret),
  })
  t.match(await rejection(other.requestAccessToken()), { kind: 'client-rejected' })
  t.match(await rejection(other.client.listTokens('wrong', FIRST, SIGNAL)), { kind: 'unauthorized' })
})

t.test('an access token that would break a header is rejected', async (t) => {
  for (const access_token of ['a\r\nx: y', '', 'a b', 7, null]) {
    const client = await withAnswer(t, json({ access_token }))
    t.match(
      await rejection(client.requestAccessToken(secret('s'), SIGNAL)),
      { kind: 'unreadable' },
      JSON.stringify(access_token),
    )
  }
})

t.test(
  'the redirect of /users/me is followed to the user, relative or absolute, and nowhere else',
  async (t) => {
    for (const absoluteRedirect of [false, true]) {
      const { client, accessToken, botId } = await withSandbox(t, { absoluteRedirect })
      const me = await client.me(accessToken, SIGNAL)
      t.same(me, { path: `/api/v1/users/${botId}` })
      t.match(await client.user(accessToken, `/api/v1/users/${botId}`, SIGNAL), {
        id: botId,
        roles: ['TenantAdmin'],
      })
    }
    for (const location of [
      'https://elsewhere.example.invalid/api/v1/users/1',
      '//elsewhere.example.invalid/api/v1/users/1',
      '/api/v1/oauth-tokens',
      '/api/v1/users/../../oauth/token',
      '/api/v1/users/',
      'http://[',
      undefined,
    ]) {
      const client = await withAnswer(t, json({}, 301, location ? { location } : {}))
      t.match(await rejection(client.me('a', SIGNAL)), { kind: 'unreadable' }, String(location))
    }
  },
)

t.test('pages are requested from the tenant itself, wherever the links point', async (t) => {
  const { client, tenant, accessToken } = await withSandbox(t, {
    linkOrigin: 'https://elsewhere.example.invalid',
  })
  const user = tenant.addUser()
  tenant.issueTokens(user.id, 250)
  const ids = new Set<string>()
  let page: string | null = null
  let pages = 0
  do {
    const answer: Awaited<ReturnType<typeof client.listTokens>> = await client.listTokens(
      accessToken,
      { userId: user.id, page },
      SIGNAL,
    )
    for (const { id } of answer.tokens) ids.add(id)
    page = answer.next
    pages += 1
  } while (page !== null)
  t.same([ids.size, pages], [250, 3])
})

t.test('a next link without a page does not end the list', async (t) => {
  for (const href of ['https://x.example.invalid/api/v1/oauth-tokens', 'http://[', '?page=']) {
    const client = await withAnswer(t, json({ data: [], links: { next: { href } } }))
    t.match(await rejection(client.listTokens('a', FIRST, SIGNAL)), { kind: 'unreadable' }, href)
  }
  for (const links of [{}, { next: null }, { next: { href: '' } }, null, undefined]) {
    const client = await withAnswer(t, json({ data: [], links }))
    t.equal((await client.listTokens('a', FIRST, SIGNAL)).next, null, JSON.stringify(links))
  }
})

t.test('tokens of users that were not requested are ignored', async (t) => {
  const rows = [
    { id: 'a', userId: 'u1', tenantId: 't' },
    { id: 'b', userId: 'u2', tenantId: 't' },
  ]
  const client = await withAnswer(t, json({ data: rows }))
  const { tokens, owners } = await client.listTokens('x', FIRST, SIGNAL)
  t.same(
    tokens.map(({ id }) => id),
    ['a'],
  )
  t.same(owners, ['u1', 'u2'])
})

t.test('a list with only tokens of other users does not count as empty', async (t) => {
  const client = await withAnswer(t, json({ data: [{ id: 'a', userId: 'U1', tenantId: 't' }] }))
  t.match(await rejection(client.listTokens('x', FIRST, SIGNAL)), { kind: 'unreadable' })
})

t.test('a page that Qlik has forgotten restarts the list, and does not count against the user', async (t) => {
  const client = await withAnswer(t, json({ errors: [] }, 400))
  t.match(await rejection(client.listTokens('x', { ...FIRST, page: 'p' }, SIGNAL)), { kind: 'unreadable' })
  t.match(await rejection(client.listTokens('x', FIRST, SIGNAL)), { kind: 'rejected' })
})

t.test('unknown members are accepted, known ones must have the documented form', async (t) => {
  const row = { id: 'a', userId: 'u1', tenantId: 't', deviceType: 7, lastUsed: null, somethingNew: {} }
  const client = await withAnswer(t, json({ data: [row], somethingElse: 1 }))
  t.match(await client.listTokens('x', FIRST, SIGNAL), { tokens: [{ id: 'a', deviceType: null }] })
  for (const body of [
    null,
    [],
    'text',
    {},
    { data: {} },
    { data: [{ id: 7, userId: 'u1' }] },
    { data: [{ ...row, id: '..' }] },
    { data: [{ ...row, id: 'a\0' }] },
    { data: [{ ...row, id: 'a\ud800' }] },
  ]) {
    const odd = await withAnswer(t, json(body))
    t.match(await rejection(odd.listTokens('x', FIRST, SIGNAL)), { kind: 'unreadable' }, JSON.stringify(body))
  }
})

t.test('ids are escaped in requests', async (t) => {
  const seen: string[] = []
  const client = await withAnswer(t, (request, response) => {
    seen.push(`${request.method} ${request.url}`)
    response.writeHead(204).end()
  })
  await client.revokeToken('x', 'a/../b?c#d e%', SIGNAL)
  await client.listTokens('x', { userId: 'a&limit=1#ü', page: 'p&q' }, SIGNAL).catch(() => {})
  t.same(seen, [
    'DELETE /api/v1/oauth-tokens/a%2F..%2Fb%3Fc%23d%20e%25',
    'GET /api/v1/oauth-tokens?limit=100&userId=a%26limit%3D1%23%C3%BC&page=p%26q',
  ])
})

t.test('users are found by subject and e-mail address, including quotes', async (t) => {
  const { client, tenant, accessToken } = await withSandbox(t)
  const odd = tenant.addUser({ subject: 'a"b\\c" or subject eq "d', email: 'Ann@Example.com' })
  tenant.addUser({ subject: 'd' })
  const find = (kind: 'subject' | 'email', ...values: string[]) =>
    client.findUsers(
      accessToken,
      values.map((value) => ({ kind, value })),
      SIGNAL,
    )
  t.same(await find('subject', odd.subject), [{ id: odd.id, value: odd.subject }])
  t.same(await find('email', 'ann@example.COM'), [{ id: odd.id, value: 'Ann@Example.com' }])
  t.same(await find('email', 'nobody@example.com'), [])
  t.equal((await find('subject', odd.subject, 'd', 'nobody')).length, 2, 'several in one call')

  const kate = tenant.addUser({ email: 'kate@example.com' })
  const kelvin = tenant.addUser({ email: '\u212Aate@example.com' })
  const alike = [kate, kelvin].map(({ id, email }) => ({ id, value: email }))
  t.same(await find('email', 'kate@example.com'), alike, 'users with similar names are returned')
  t.match(await rejection(find('email', 'ann@example.com', 'kate@example.com')), { kind: 'unreadable' })
})

t.test('a response that ignores the filter is rejected', async (t) => {
  const me = { id: '1', subject: 'me' }
  for (const [answer, ...values] of [
    [{ data: [{ id: '1', subject: 'other' }] }, 'me'],
    [{ data: [me, { id: '2', subject: 'other' }] }, 'me'],
    [{ data: [{ id: '1' }] }, 'me'],
    [{ data: [{ id: '1', subject: null }] }, '\u0301'],
    [{ data: [{ id: '1', subject: '' }] }, '\u0301x'],
    [{ data: [{ id: '1', email: 'me' }] }, 'me'],
    [{ data: [{ id: '1', subject: 'mé' }] }, 'me', 'you'],
    [{ data: [me], links: { next: { href: '?page=2' } } }, 'me'],
  ] as const) {
    const client = await withAnswer(t, json(answer))
    const users = values.map((value) => ({ kind: 'subject' as const, value }))
    t.match(await rejection(client.findUsers('x', users, SIGNAL)), { kind: 'unreadable' })
  }
})
