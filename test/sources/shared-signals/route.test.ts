import t from 'tap'
import { fakeClock } from '../../support/clock.ts'
import { nothingStored } from '../../support/problems.ts'
import { ADA, CAEP, RISC, SSF, startPush } from '../../support/shared-signals.ts'

t.test('a revoked session ends the tokens of its user: 202, empty', async (t) => {
  const { service, push, stored } = await startPush(t)
  service.userWithTokens(2, { email: ADA.email })
  const reply = await push()
  t.equal(reply.status, 202)
  t.equal(reply.text, '')
  const [item] = await stored()
  t.match(item, { source: 'idp', reason: 'logout', scope: 'issued-before', user: { email: ADA.email } })
  t.match(await service.settled(item.id), { verified: true, tokens: { found: 2 } })
})

t.test('each event that ends sessions has its reason', async (t) => {
  const { push, stored } = await startPush(t)
  const table: [type: string, reason: string, event?: object][] = [
    [`${CAEP}session-revoked`, 'logout', { initiating_entity: 'user' }],
    [`${CAEP}session-revoked`, 'logout', { initiating_entity: 'system' }],
    [`${CAEP}session-revoked`, 'security', { initiating_entity: 'admin' }],
    [`${CAEP}session-revoked`, 'security', { initiating_entity: 'policy' }],
    [`${RISC}sessions-revoked`, 'logout'],
    [`${RISC}account-disabled`, 'security', { reason: 'hijacking' }],
    [`${RISC}account-purged`, 'security'],
    [`${RISC}account-credential-change-required`, 'security'],
    [`${RISC}credential-compromise`, 'security', { credential_type: 'password' }],
  ]
  for (const [index, [type, reason, event]] of table.entries()) {
    const subject = { format: 'email', email: `user${index}@example.com` }
    t.equal((await push({ type, event: event ?? {}, subject })).status, 202, type)
    t.match(
      (await stored())[0],
      { reason, user: { email: subject.email } },
      `${type} ${JSON.stringify(event)}`,
    )
  }
})

t.test('tokens are accepted as Okta, Google and drafts send them', async (t) => {
  const { transmitter, claims, pushToken, stored } = await startPush(t)
  const type = `${CAEP}session-revoked`
  const own = { format: 'iss_sub', iss: transmitter.url, sub: '00u1' }
  const google = { subject_type: 'iss-sub', iss: `${transmitter.url}/`, sub: '7375626A' }
  const now = Date.now()
  const table: [name: string, claims: object, user: object, header?: object][] = [
    [
      'Okta: the subject in the event, complex without a format, and a time in ms',
      claims({
        subject: null,
        event: {
          subject: { user: own, device: { format: 'opaque', id: 'd' } },
          event_timestamp: now - 5_000,
        },
      }),
      { subject: '00u1' },
    ],
    [
      'Google: a draft of the subject',
      claims({
        subject: null,
        type: `${RISC}account-disabled`,
        event: { subject: google, reason: 'hijacking' },
      }),
      { subject: '7375626A' },
    ],
    ['both places', claims({ subject: own, event: { subject: ADA } }), { subject: '00u1' }],
    [
      'no type',
      claims({ subject: { format: 'complex', user: ADA, session: { format: 'opaque', id: 's' } } }),
      { email: ADA.email },
      { typ: undefined },
    ],
    ['the type in full', claims(), { email: ADA.email }, { typ: 'application/secevent+jwt' }],
    [
      'several audiences, and what else there may be',
      { ...claims(), aud: ['other', 'https://curfew.example.com'], txn: '1', toe: now / 1000 },
      { email: ADA.email },
    ],
    ['the older deprecated event', claims({ type: `${RISC}sessions-revoked` }), { email: ADA.email }],
  ]
  for (const [name, token, user, header] of table) {
    t.equal((await pushToken(await transmitter.sign(token, header))).status, 202, name)
    t.match((await stored())[0].user, user, name)
  }
  t.equal((await pushToken(`${await transmitter.sign(claims({ type }))}\r\n`)).status, 202, 'a line end')
})

t.test('the time of an event is in s or ms, and an implausible one is ignored', async (t) => {
  const { push, stored } = await startPush(t)
  const now = Date.now()
  const iat = Math.floor(now / 1000) - 2
  const at = iat - 60
  const table: [event: object, claims: object, occurredAt: number][] = [
    [{ event_timestamp: at }, {}, at * 1000],
    [{ event_timestamp: at * 1000 + 7 }, {}, at * 1000 + 7],
    [{}, { toe: at }, at * 1000],
    [{}, {}, iat * 1000],
    [{ event_timestamp: 0 }, {}, iat * 1000],
    [{ event_timestamp: 'yesterday' }, {}, iat * 1000],
  ]
  for (const [index, [event, claims, occurredAt]] of table.entries()) {
    await push({ event, iat, subject: { format: 'opaque', id: `u${index}` }, ...claims })
    t.equal(Date.parse((await stored())[0].occurredAt), occurredAt, JSON.stringify({ event, claims }))
  }
  await push({
    event: { event_timestamp: (now + 3_600_000) * 1000 },
    subject: { format: 'opaque', id: 'future' },
  })
  const { occurredAt, acceptedAt } = (await stored())[0]
  t.equal(occurredAt, acceptedAt, 'a future time counts as now')
})

t.test('a repeated token gets the same answer and has no further effect while it is valid', async (t) => {
  const clock = fakeClock()
  const { service, transmitter, claims, pushToken, stored } = await startPush(t, {}, { clock })
  const token = await transmitter.sign(claims({ event: { initiating_entity: 'admin' } }))
  t.equal((await pushToken(token)).status, 202)
  const [{ id: first }] = await stored()
  await service.ended(first)
  for (const days of [0, 1, 28]) {
    clock.leap(days * 86_400_000)
    t.equal((await pushToken(token)).status, 202)
    t.equal((await stored()).length, 1, `after ${days} days more`)
  }
  clock.leap(2 * 86_400_000)
  t.match(await pushToken(token), { status: 400, json: { err: 'invalid_request', description: /30 days/ } })
  const others = (await stored()).filter(({ id }: { id: string }) => id !== first)
  t.same(others, [], 'the first one may be past its retention')
})

t.test('a token may be issued at a fraction of a second', async (t) => {
  const { push, stored } = await startPush(t)
  const iat = Math.floor(Date.now() / 1000) - 2 + 0.0005
  t.equal((await push({ iat })).status, 202)
  t.equal(Date.parse((await stored())[0].occurredAt), Math.floor(iat * 1000))
})

t.test('other events are accepted, ignored and counted', async (t) => {
  const { service, push } = await startPush(t)
  for (const type of [
    `${CAEP}credential-change`,
    `${CAEP}device-compliance-change`,
    `${RISC}account-enabled`,
    `${SSF}made-up`,
    'urn:x',
  ])
    t.equal((await push({ type, subject: null })).status, 202, type)
  await nothingStored(t, service)
  t.match(await service.counts(), { 'idp ignored': 5 })
})

t.test('an entry may name the events that end sessions', async (t) => {
  const type = `${CAEP}device-compliance-change`
  const { push, stored } = await startPush(t, { events: [type] })
  t.equal((await push({ type })).status, 202)
  t.match((await stored())[0], { reason: 'security' })
  t.equal((await push()).status, 202)
  t.equal((await stored()).length, 1)
})

t.test('tokens that cannot be processed are rejected with the codes of RFC 8935', async (t) => {
  const { service, push, pushToken, transmitter, claims } = await startPush(t, {
    tenantFrom: '{/claims/org}',
  })
  const org = 'default'
  const table: [name: string, err: string, reply: ReturnType<typeof push>][] = [
    ['no subject', 'invalid_request', push({ org, subject: null })],
    ['no subject identifier', 'invalid_request', push({ org, subject: { email: 'x' } })],
    [
      'a subject that names no user',
      'invalid_request',
      push({ org, subject: { format: 'phone_number', phone_number: '+1' } }),
    ],
    [
      'two events',
      'invalid_request',
      push({ org, events: { [`${CAEP}session-revoked`]: {}, [`${RISC}account-purged`]: {} } }),
    ],
    ['no event', 'invalid_request', push({ org, events: {} })],
    [
      'an event that is a text',
      'invalid_request',
      push({ org, events: { [`${CAEP}session-revoked`]: 'x' } }),
    ],
    ['events in a list', 'invalid_request', push({ org, events: [{}] })],
    ['another tenant', 'access_denied', push({ org: 'other' })],
    ['no tenant', 'access_denied', push()],
    [
      'another content type',
      'invalid_request',
      pushToken(await transmitter.sign(claims({ org })), { 'content-type': 'application/json' }),
    ],
    ['no token', 'invalid_request', pushToken('')],
  ]
  for (const [name, err, reply] of table) {
    const { status, json, headers } = await reply
    t.equal(status, 400, name)
    t.match(json, { err, description: /./ }, name)
    t.same(Object.keys(json), ['err', 'description'])
    t.match(headers.get('content-type'), /^application\/json/)
    t.equal(headers.get('content-language'), 'en')
  }
  t.equal((await pushToken('x'.repeat(70_000))).status, 413)
  t.equal((await service.call('POST', '/sources/other/events', { body: 'x' })).status, 404)
  await nothingStored(t, service)
})

t.test('if a header is configured, pushes require it', async (t) => {
  const { pushToken, transmitter, claims, stored } = await startPush(t, {
    pushAuthorization: 'Bearer agreed',
  })
  const token = await transmitter.sign(claims())
  for (const authorization of ['', 'Bearer other', 'agreed'])
    t.match(await pushToken(token, { authorization }), {
      status: 400,
      json: { err: 'authentication_failed' },
    })
  t.same(await stored(), [])
  t.equal((await pushToken(token, { authorization: 'Bearer agreed' })).status, 202)
})

t.test('without a transmitter, a verification with any state is accepted', async (t) => {
  const { service, push } = await startPush(t)
  t.equal(
    (
      await push({
        type: `${SSF}verification`,
        subject: { format: 'opaque', id: 's1' },
        event: { state: 'theirs' },
      })
    ).status,
    202,
  )
  t.equal(
    (await push({ type: `${RISC}verification`, subject: null, event: { state: 'as Google has it' } })).status,
    202,
  )
  await nothingStored(t, service)
})
