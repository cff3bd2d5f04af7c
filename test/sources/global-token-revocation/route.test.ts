import t from 'tap'
import { fakeClock } from '../../support/clock.ts'
import { ADA, byEmail, PATH, startGlobalTokenRevocation } from '../../support/global-token-revocation.ts'
import { nothingStored } from '../../support/problems.ts'
import { sendBytes } from '../../support/raw-http.ts'

t.test("Okta ends a user's tokens by e-mail address, with the reason security", async (t) => {
  const { service, post } = await startGlobalTokenRevocation(t)
  service.userWithTokens(3, { email: ADA })
  const reply = await post(byEmail(ADA))
  t.equal(reply.status, 204)
  t.equal(reply.text, '')
  t.equal(reply.headers.get('cache-control'), 'no-store')
  const [item] = await service.stored()
  t.match(item, {
    source: 'okta',
    reason: 'security',
    scope: 'all',
    tenant: 'default',
    user: { email: ADA },
  })
  t.match(await service.settled(item.id), { status: 'completed', verified: true, tokens: { revoked: 3 } })
})

t.test('the subject may have any format that identifies a user, also under its older name', async (t) => {
  const { service, issuer, post } = await startGlobalTokenRevocation(t)
  service.userWithTokens(1, { email: ADA, subject: 'sub-1' })
  const email = { format: 'email', email: ADA }
  const issSub = { format: 'iss_sub', iss: issuer.url, sub: 'sub-1' }
  for (const body of [
    { sub_id: email },
    { subject: email },
    { sub_id: issSub },
    { sub_id: { format: 'opaque', id: 'sub-1' } },
    { sub_id: { format: 'account', uri: 'acct:ada@example.com' } },
    { sub_id: { format: 'aliases', identifiers: [{ format: 'phone_number', phone_number: '+1' }, issSub] } },
    { sub_id: { format: 'complex', user: email } },
    { sub_id: email, more: 'is ignored' },
  ])
    t.equal((await post(body)).status, 204, JSON.stringify(body))
  const foreign = await post({ sub_id: { ...issSub, iss: 'https://other.example.com' } })
  t.match(foreign, { status: 422, json: { error: 'unsupported_subject', error_description: /issuer/ } })
})

t.test("the entry's template names the user", async (t) => {
  const { service, post } = await startGlobalTokenRevocation(t, {
    user: { as: 'subject', from: '{iss}|{sub}' },
  })
  service.userWithTokens(1, { subject: 'https://acme.okta.com|00u1' })
  t.equal(
    (await post({ sub_id: { format: 'iss_sub', iss: 'https://acme.okta.com', sub: '00u1' } })).status,
    204,
  )
  t.match(await post(byEmail('ada@example.com')), { status: 422, json: { error: 'unsupported_subject' } })
})

t.test('invalid bodies get distinct errors', async (t) => {
  const { service, post } = await startGlobalTokenRevocation(t)
  const email = { format: 'email', email: 'ada@example.com' }
  const table: [status: number, error: string, body: unknown, headers?: Record<string, string>][] = [
    [400, 'invalid_request', ''],
    [400, 'invalid_request', '{'],
    [400, 'invalid_request', 'null'],
    [400, 'invalid_request', '[]'],
    [400, 'invalid_request', {}],
    [400, 'invalid_request', { sub_id: 'ada@example.com' }],
    [400, 'invalid_request', { sub_id: null }],
    [400, 'invalid_request', { sub_id: email, subject: email }],
    [400, 'invalid_request', { sub_id: {} }],
    [400, 'invalid_request', { sub_id: { format: 'email' } }],
    [400, 'invalid_request', Buffer.from([0xff])],
    [400, 'invalid_request', { sub_id: email }, { 'content-type': 'text/plain' }],
    [422, 'unsupported_subject', { sub_id: { format: 'phone_number', phone_number: '+12065550100' } }],
    [422, 'unsupported_subject', { sub_id: { format: 'made_up', id: '1' } }],
    [422, 'unsupported_subject', { sub_id: { format: 'email', email: 'no address' } }],
    [422, 'unsupported_subject', { sub_id: { format: 'complex', device: { format: 'opaque', id: '1' } } }],
    [404, 'unknown_user', byEmail('nobody@example.com')],
    [413, 'invalid_request', { sub_id: { ...email, filler: 'x'.repeat(70_000) } }],
  ]
  for (const [status, error, body, headers = {}] of table) {
    const reply = await post(body, { headers })
    t.equal(reply.status, status, JSON.stringify(body).slice(0, 100))
    t.match(reply.json, { error, error_description: /./ })
    t.notMatch(reply.text, /ada@|nobody/)
  }
  await nothingStored(t, service)
})

t.test(
  'a token is accepted once: a repetition does nothing, reuse for another subject is rejected',
  async (t) => {
    const { service, issuer, claims, post } = await startGlobalTokenRevocation(t)
    const user = service.userWithTokens(1, { email: ADA })
    service.userWithTokens(1, { email: 'bob@example.com' })
    const token = await issuer.sign(claims())
    t.equal((await post(byEmail(ADA), { token })).status, 204)
    const [item] = await service.stored()
    await service.ended(item.id)
    service.sandbox.tenant.issueTokens(user.id, 1)
    t.equal((await post(byEmail(ADA), { token })).status, 204)
    t.match(await post(byEmail('bob@example.com'), { token }), {
      status: 401,
      json: { error: 'invalid_token' },
    })
    t.equal((await service.stored()).length, 1)
  },
)

t.test('the response does not require Qlik Cloud to be reachable', async (t) => {
  const clock = fakeClock()
  const { service, post } = await startGlobalTokenRevocation(t, {}, { clock, sandbox: { latencyMs: 0 } })
  service.sandbox.tenant.addUser()
  await service.sandbox.close()
  const reply = await post(byEmail('nobody@example.com'))
  t.equal(reply.status, 204, 'Qlik is down, and the signal is durable')
  t.equal((await service.stored()).length, 1)
})

t.test('a sender is restricted to the tenants of its entry', async (t) => {
  const { service, post } = await startGlobalTokenRevocation(t, {
    tenantFrom: '{/subject/tenant/id}',
    tenants: ['default'],
  })
  service.userWithTokens(1, { email: ADA })
  const within = (tenant?: object) => ({
    sub_id: {
      format: 'complex',
      user: { format: 'email', email: ADA },
      ...(tenant ? { tenant } : {}),
    },
  })
  t.equal((await post(within({ format: 'opaque', id: 'default' }))).status, 204)
  t.match(await post(within({ format: 'opaque', id: 'other' })), {
    status: 403,
    json: { error: 'access_denied' },
  })
  t.equal((await post(within())).status, 403)
})

t.test('a sender is authenticated by one header before the body is read', async (t) => {
  const { service, issuer, claims } = await startGlobalTokenRevocation(t)
  for (const authorization of ['', 'Basic b2t0YTpva3Rh', 'Bearer', 'Bearer a b']) {
    const reply = await service.call('POST', PATH, { body: '{', headers: { authorization } })
    t.equal(reply.status, 401, authorization)
    t.match(
      reply.headers.get('www-authenticate'),
      /^Bearer error="invalid_token", error_description="[^"]+"$/,
    )
  }
  const token = await issuer.sign(claims())
  const body = JSON.stringify(byEmail('ada@example.com'))
  const twice = `authorization: Bearer ${token}\r\nauthorization: Bearer ${token}\r\n`
  const head = `POST ${PATH} HTTP/1.1\r\nhost: curfew\r\nconnection: close\r\ncontent-type: application/json\r\n`
  const answer = await sendBytes(service.url, `${head}${twice}content-length: ${body.length}\r\n\r\n${body}`)
  t.match(answer, /^HTTP\/1\.1 401 /)
  t.equal((await service.call('POST', '/sources/other/global-token-revocation', { body })).status, 404)
  await nothingStored(t, service)
})
