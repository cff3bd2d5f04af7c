import t from 'tap'
import { sourceSignal } from '../../../src/sources/common/source-signal.ts'
import {
  chooseSubject,
  readSubject,
  type SubjectRules,
} from '../../../src/sources/common/subject-identifier.ts'
import { rejection } from '../../support/events.ts'

const ISSUER = 'https://idp.example.com'
const CONTEXT = { claims: { iss: ISSUER, org: 'acme' } }
const reason = 'logout' as const
const tenants = { has: () => true, names: () => ['default'] }

const email = { format: 'email', email: 'ada@example.com' }
const issSub = { format: 'iss_sub', iss: ISSUER, sub: '145234573' }
const phone = { format: 'phone_number', phone_number: '+12065550100' }

/** The user of an identifier for a source with that issuer, as `kind:value`. */
function userOf(identifier: unknown, user?: SubjectRules['user'], issuer = ISSUER): string {
  const statement = { ...chooseSubject(identifier, { issuer, user }, CONTEXT), reason, occurredAt: null }
  const signal = sourceSignal({ name: 's', user }, statement, { tenants, now: 0 })
  return `${signal.user.kind}:${signal.user.value}`
}

t.test('every format that identifies a user is understood', async (t) => {
  // The examples of RFC 9493, section 3.2, and of the Shared Signals Framework 1.0, section 3.
  const table: [identifier: object, user: string][] = [
    [email, 'email:ada@example.com'],
    [issSub, 'subject:145234573'],
    [{ format: 'opaque', id: '11112222333344445555' }, 'subject:11112222333344445555'],
    [
      { format: 'account', uri: 'acct:example.user@service.example.com' },
      'email:example.user@service.example.com',
    ],
    [{ format: 'account', uri: 'acct:a%2Bb@example.com' }, 'email:a+b@example.com'],
    [{ format: 'aliases', identifiers: [email, phone, issSub] }, 'email:ada@example.com'],
    [{ format: 'aliases', identifiers: [phone, { format: 'ip-addresses' }, issSub] }, 'subject:145234573'],
    [{ format: 'complex', user: issSub, device: { format: 'opaque', id: 'd1' } }, 'subject:145234573'],
    [
      { format: 'complex', user: { format: 'aliases', identifiers: [phone, email] } },
      'email:ada@example.com',
    ],
    // As Okta sends it, without an outer format.
    [{ user: issSub, session: { format: 'opaque', id: 's1' } }, 'subject:145234573'],
    // As Google sends it, as in a draft.
    [{ subject_type: 'iss-sub', iss: `${ISSUER}/`, sub: '7375626A656374' }, 'subject:7375626A656374'],
    [{ ...email, more: 'is ignored' }, 'email:ada@example.com'],
  ]
  for (const [identifier, user] of table) t.equal(userOf(identifier), user, JSON.stringify(identifier))
})

t.test("an entry's template may name every member, and picks the alias that has them", async (t) => {
  const table: [identifier: object, template: string, user: string][] = [
    [issSub, '{iss}|{sub}', 'subject:https://idp.example.com|145234573'],
    [phone, 'tel:{phone_number}', 'subject:tel:+12065550100'],
    [{ format: 'did', url: 'did:example:123456' }, '{url}', 'subject:did:example:123456'],
    [{ format: 'uri', uri: 'urn:uuid:4e851e98' }, '{uri}', 'subject:urn:uuid:4e851e98'],
    [{ format: 'account', uri: 'acct:ada@example.com' }, '{email}', 'subject:ada@example.com'],
    [{ format: 'aliases', identifiers: [email, phone] }, '{phone_number}', 'subject:+12065550100'],
    [issSub, '{/claims/org}|{sub}', 'subject:acme|145234573'],
    [{ format: 'jwt_id', iss: ISSUER, jti: 'B70BA622' }, '{/subject/jti}', 'subject:B70BA622'],
    [{ format: 'complex', device: { format: 'opaque', id: 'd1' } }, '{/subject/device/id}', 'subject:d1'],
  ]
  for (const [identifier, from, user] of table)
    t.equal(userOf(identifier, { as: 'subject', from }), user, JSON.stringify(identifier))
})

t.test('among aliases, one of the kind that the entry asks for is chosen', async (t) => {
  const aliases = { format: 'aliases', identifiers: [email, phone, issSub] }
  t.equal(userOf(aliases, { as: 'subject' }), 'subject:145234573')
  t.equal(userOf(aliases, { as: 'userId' }), 'userId:145234573')
  t.equal(userOf({ ...aliases, identifiers: [issSub, email] }, { as: 'email' }), 'email:ada@example.com')
  t.equal(
    userOf(email, { as: 'subject' }),
    'subject:ada@example.com',
    'the only subject, with the template of the entry',
  )
})

t.test('a subject of another issuer is accepted only with a template', async (t) => {
  const foreign = { ...issSub, iss: 'https://other.example.com' }
  for (const identifier of [foreign, { format: 'complex', user: foreign }])
    t.throws(() => userOf(identifier), { code: 'CURFEW_SUBJECT_UNKNOWN', message: /another issuer/ })
  t.throws(() => userOf(foreign, { as: 'userId' }), { code: 'CURFEW_SUBJECT_UNKNOWN' })
  t.equal(userOf({ format: 'aliases', identifiers: [foreign, email] }), 'email:ada@example.com')
  t.equal(userOf(foreign, { as: 'subject', from: '{sub}' }), 'subject:145234573')
})

t.test('a subject that identifies no user is unknown, not guessed', async (t) => {
  const table: [identifier: object, template?: string][] = [
    [phone],
    [{ format: 'did', url: 'did:example:123456' }],
    [{ format: 'uri', uri: 'urn:uuid:4e851e98' }],
    [{ format: 'jwt_id', iss: 'https://idp.example.com', jti: 'B70BA622' }],
    [{ format: 'complex', device: { format: 'opaque', id: 'd1' } }],
    [{ format: 'complex', session: { format: 'opaque', id: 's1' }, tenant: { format: 'opaque', id: 't1' } }],
    [{ format: 'aliases', identifiers: [phone] }],
    [email, '{iss}|{sub}'],
    [{ format: 'complex', user: { format: 'complex', user: email } }],
  ]
  for (const [identifier, from] of table) {
    const user = from === undefined ? undefined : ({ as: 'subject', from } as const)
    t.throws(() => userOf(identifier, user), { code: 'CURFEW_SUBJECT_UNKNOWN' }, JSON.stringify(identifier))
  }
})

t.test('an invalid subject identifier is rejected, and nothing of it is repeated', async (t) => {
  const secret = 'do-not-repeat'
  const table: unknown[] = [
    undefined,
    null,
    secret,
    [email],
    {},
    { format: 5 },
    { format: 'email' },
    { format: 'email', email: '' },
    { format: 'email', email: { secret } },
    { format: 'email', email: 'a'.repeat(1_025) },
    { format: 'iss_sub', iss: secret },
    { format: 'opaque', id: 7 },
    { format: 'account', uri: `https://${secret}` },
    { format: 'account', uri: `acct:%ff@${secret}` },
    { format: 'aliases' },
    { format: 'aliases', identifiers: [] },
    { format: 'aliases', identifiers: Array(21).fill(email) },
    { format: 'aliases', identifiers: [{ format: 'aliases', identifiers: [email] }] },
    { format: 'aliases', identifiers: [secret] },
    { format: 'complex', user: secret },
  ]
  for (const identifier of table) {
    const error = await rejection(Promise.resolve(identifier).then(readSubject))
    t.match(error, { code: 'CURFEW_SUBJECT_INVALID' }, JSON.stringify(identifier))
    t.notMatch(String(error), secret)
  }
})
