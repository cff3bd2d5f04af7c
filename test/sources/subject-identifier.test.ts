import t from 'tap'
import { chooseSubject, readSubject, SubjectError } from '../../src/sources/subject-identifier.ts'
import { expand } from '../../src/sources/template.ts'
import { rejection } from '../support/events.ts'

const email = { format: 'email', email: 'ada@example.com' }
const issSub = { format: 'iss_sub', iss: 'https://idp.example.com', sub: '145234573' }
const phone = { format: 'phone_number', phone_number: '+12065550100' }

/** The user that an identifier means, as `kind:value`. */
function userOf(identifier: unknown, template?: string): string {
  const { values, user } = chooseSubject(identifier, template)
  return `${user.as}:${expand(template ?? user.from, values)}`
}

t.test('every format that names a user by itself is understood', async (t) => {
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
    // As Okta sends it, without a format around.
    [{ user: issSub, session: { format: 'opaque', id: 's1' } }, 'subject:145234573'],
    // As Google sends it, by a draft.
    [
      { subject_type: 'iss-sub', iss: 'https://accounts.google.com/', sub: '7375626A656374' },
      'subject:7375626A656374',
    ],
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
    [{ format: 'account', uri: 'acct:ada@example.com' }, '{email}', 'email:ada@example.com'],
    [{ format: 'aliases', identifiers: [email, phone] }, '{phone_number}', 'subject:+12065550100'],
  ]
  for (const [identifier, template, user] of table)
    t.equal(userOf(identifier, template), user, JSON.stringify(identifier))
})

t.test('who cannot be named is unknown, not a guess', async (t) => {
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
  for (const [identifier, template] of table)
    t.throws(
      () => chooseSubject(identifier, template),
      { code: 'CURFEW_SUBJECT_UNKNOWN' },
      JSON.stringify(identifier),
    )
})

t.test('what is no subject identifier is refused, and nothing of it is repeated', async (t) => {
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
    t.ok(error instanceof SubjectError, JSON.stringify(identifier))
    t.notMatch(String(error), secret)
  }
})
