import t from 'tap'
import { ConfigError, loadConfig } from '../../src/config/load-config.ts'
import { parts } from '../../src/parts.ts'
import { configurationFile, entryFor, mistakesIn } from '../support/config-file.ts'
import { COMPLETE, keysOf } from '../support/configuration.ts'

const SOURCE = {
  name: 'op',
  kind: 'oidc-back-channel-logout',
  issuer: 'https://op.example',
  audience: 'client',
}
const places =
  (sources: object[], more: object = {}) =>
  async (t: Parameters<typeof mistakesIn>[0]) =>
    keysOf(await mistakesIn(t, { sources, ...more })).map((key) => key.replace('CONFIG_FILE ', ''))

t.test('sources are read from the file, with the defaults of their kind', async (t) => {
  const full = {
    ...{
      ...SOURCE,
      name: 'full',
      audience: ['a', 'b'],
      jwksUri: 'https://keys.example/jwks',
      algorithms: ['PS512'],
    },
    ...{ tenantFrom: '{org}', tenants: ['acme'], reason: 'security' },
    user: { as: 'subject', from: '{iss}|{sub}' },
  }
  const file = configurationFile(t, { tenants: [entryFor('acme')], sources: [SOURCE, full] })
  const { sources } = await loadConfig({ ...COMPLETE, CONFIG_FILE: file.path }, parts.sources)
  t.same(sources, [{ ...SOURCE, algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'] }, full])
})

t.test('a source is a sender: with one, no other sender is required', async (t) => {
  const none = { API_KEYS: '' }
  t.same(keysOf(await mistakesIn(t, {}, none)), ['WEBHOOK_SECRETS or API_KEYS'])
  t.same(await mistakesIn(t, { sources: [SOURCE] }, none), [])
})

t.test(
  'all mistakes in all sources are reported at once, with their position and without the values',
  async (t) => {
    const sources = [
      { ...SOURCE, name: 'Marker', issuer: '', user: { as: 'marker', from: 'marker' }, more: 1 },
      { ...SOURCE, algorithms: ['HS256', 'none'], jwksUri: 'http://marker.example/keys', reason: 'marker' },
      { ...SOURCE, tenant: 'marker', tenantFrom: '{org}', tenants: ['default', 'marker'] },
      { ...SOURCE, name: 'two', tenants: ['default'], audience: [] },
      { ...SOURCE, name: 'three', issuer: 'http://marker.example', tenantFrom: '{}' },
      { kind: 'oidc-back-channel-logout' },
      { ...SOURCE, name: 'four', kind: 'marker' },
      'marker',
    ]
    const mistakes = await mistakesIn(t, { sources })
    const expected = [
      '/0/name',
      '/0/issuer',
      '/0/user/as',
      '/0/user/from',
      '/0/more',
      '/1/algorithms/0',
      '/1/algorithms/1',
      '/1/jwksUri',
      '/1/reason',
      '/2/name',
      '/2/tenant',
      '/2/tenantFrom',
      '/2/tenants/1',
      '/3/tenants',
      '/3/audience',
      '/4/issuer',
      '/4/tenantFrom',
      '/5/name',
      '/5/issuer',
      '/5/audience',
      '/6/kind',
      '/7',
    ]
    t.same(keysOf(mistakes).sort(), expected.map((place) => `CONFIG_FILE /sources${place}`).sort())
    t.notMatch(new ConfigError(mistakes).message, /marker(?!$)/i)
    for (const { expected } of mistakes) t.match(expected, /^expected/)
  },
)

t.test('an issuer must be an address, unless the address of its keys is configured', async (t) => {
  for (const [issuer, jwksUri, isValid] of [
    ['https://op.example/realms/a', undefined, true],
    ['http://127.0.0.1:8080', undefined, true],
    ['http://localhost:8080', undefined, true],
    ['http://op.example', undefined, false],
    ['urn:op', undefined, false],
    ['urn:op', 'https://op.example/keys', true],
    ['https://op.example', 'https://user:word@op.example/keys', false],
    ['https://op.example', 'ftp://op.example/keys', false],
  ] as const) {
    const wrong = await places([{ ...SOURCE, issuer, ...(jwksUri ? { jwksUri } : {}) }])(t)
    t.equal(wrong.length === 0, isValid, `${issuer} ${jwksUri}: ${wrong}`)
  }
})

t.test("without its own address, a transmitter is found at its issuer's address", async (t) => {
  const stream = { ...SOURCE, kind: 'shared-signals', jwksUri: 'https://op.example/keys' }
  const configurationUrl = 'https://op.example/ssf'
  for (const [issuer, transmitter, isValid] of [
    ['op', { delivery: 'poll', token: 'a' }, false],
    ['urn:op', { delivery: 'poll', token: 'a' }, false],
    ['http://op.example', { delivery: 'poll', token: 'a' }, false],
    ['urn:op', { delivery: 'poll', token: 'a', configurationUrl }, true],
    ['https://op.example', { delivery: 'poll', token: 'a' }, true],
    ['urn:op', undefined, true],
  ] as const) {
    const wrong = await places([{ ...stream, issuer, ...(transmitter ? { transmitter } : {}) }])(t)
    t.same(wrong, isValid ? [] : ['/sources/0/issuer'], issuer)
  }
})

t.test('up to a thousand sources are accepted', async (t) => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ ...SOURCE, name: `op${index}` }))
  t.same(await places(many(1_000))(t), [])
  t.same(await places(many(1_001))(t), ['/sources'])
})

t.test('a template with a member that the kind does not have is a mistake', async (t) => {
  const entry = (kind: string, from: string, more: object = {}) => ({
    ...SOURCE,
    kind,
    user: { as: 'email', from },
    ...more,
  })
  const mistakes = async (...entries: object[]) => mistakesIn(t, { sources: entries })
  for (const kind of ['global-token-revocation', 'shared-signals']) {
    t.same(await mistakes(entry(kind, '{/subject/user/email}{email}{/claims/org}')), [])
    t.match(await mistakes(entry(kind, '{emial}')), [
      { key: 'CONFIG_FILE /sources/0/user/from', expected: /: email, iss, sub, / },
    ])
    t.match(await mistakes(entry(kind, '{email}', { tenantFrom: '{/claim/org}' })), [
      { key: 'CONFIG_FILE /sources/0/tenantFrom' },
    ])
  }
  t.same(await mistakes(entry('shared-signals', '{/event/user}')), [])
  t.same(await mistakes(entry('oidc-back-channel-logout', '{custom_claim}')), [], 'providers add claims')
})
