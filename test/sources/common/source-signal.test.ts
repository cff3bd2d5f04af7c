import t from 'tap'
import type { CommonConfig } from '../../../src/sources/common/entry.ts'
import { type Statement, sourceSignal, tenantOf } from '../../../src/sources/common/source-signal.ts'
import { T0 } from '../../support/signals.ts'

const names = ['first', 'acme', 'globex']
const tenants = { has: (name: string) => names.includes(name), names: () => names }
const values = { iss: 'https://op.example', sub: 'u1', email: 'ann@example.com', org: 'acme', id: 7 }

function signal(config: Partial<CommonConfig>, statement: Partial<Statement> = {}) {
  const said: Statement = { values, user: { as: 'subject', from: '{sub}' }, reason: 'logout', occurredAt: T0 }
  return sourceSignal({ name: 'op', ...config }, { ...said, ...statement }, { tenants, now: T0 + 5_000 })
}

t.test('without settings in the entry, the defaults of the kind apply', async (t) => {
  t.same(signal({}), {
    tenant: 'first',
    user: { kind: 'subject', value: 'u1' },
    source: 'op',
    reason: 'logout',
    scope: 'issued-before',
    deviceType: null,
    occurredAt: T0,
    acceptedAt: T0 + 5_000,
  })
})

t.test('the entry decides how a user is identified at Qlik', async (t) => {
  const users: [CommonConfig['user'], string, string][] = [
    [{ as: 'subject', from: '{iss}|{sub}' }, 'subject', 'https://op.example|u1'],
    [{ as: 'email', from: '{email}' }, 'email', 'ann@example.com'],
    [{ as: 'userId' }, 'userId', 'u1'],
    [{ as: 'userId', from: '{id}' }, 'userId', '7'],
  ]
  for (const [user, kind, value] of users) t.same(signal({ user }).user, { kind, value })
})

t.test('a known user takes precedence over the entry', async (t) => {
  const known = { kind: 'userId', value: 'q1' } as const
  t.same(signal({ user: { as: 'email', from: '{email}' } }, { user: known }).user, known)
})

t.test('a statement that names no user is rejected', async (t) => {
  for (const user of [
    { as: 'subject', from: '{missing}' },
    { as: 'email', from: '{sub}' },
    { as: 'subject', from: '{long}' },
    { as: 'subject', from: '{control}' },
    { as: 'subject', from: '{broken}' },
  ] as const) {
    const odd = { ...values, long: 'x'.repeat(513), control: 'a\u0000b', broken: '\ud800' }
    t.throws(() => signal({ user }, { values: odd }), { code: 'CURFEW_SUBJECT_UNKNOWN' }, user.from)
  }
})

t.test("the entry's reason takes precedence, and decides the scope", async (t) => {
  t.match(signal({ reason: 'security' }), { reason: 'security', scope: 'all' })
  t.match(signal({ reason: 'session-expired' }, { reason: 'security' }), {
    reason: 'session-expired',
    scope: 'issued-before',
  })
})

t.test('times are rounded down to whole ms', async (t) => {
  t.equal(signal({}, { occurredAt: null }).occurredAt, T0 + 5_000)
  t.equal(signal({}, { occurredAt: T0 + 60_000 }).occurredAt, T0 + 60_000)
  t.equal(signal({}, { occurredAt: T0 + 0.75 }).occurredAt, T0)
})

t.test('a source is restricted to the tenants of its entry', async (t) => {
  const meant = (config: Partial<CommonConfig>, more = {}) =>
    tenantOf({ name: 'op', ...config }, { ...values, ...more }, tenants)
  t.equal(meant({}), 'first', 'the default tenant')
  t.equal(meant({ tenant: 'globex' }), 'globex', 'a fixed one')
  t.equal(meant({ tenantFrom: '{org}' }), 'acme', 'the named tenant')
  t.equal(meant({ tenantFrom: '{org}', tenants: ['acme'] }), 'acme')
  const unknown = { code: 'CURFEW_UNKNOWN_TENANT' }
  t.throws(
    () => meant({ tenantFrom: '{org}', tenants: ['globex'] }),
    unknown,
    'a tenant that the entry does not list',
  )
  t.throws(() => meant({ tenantFrom: '{org}', tenants: ['first', 'globex'] }), unknown)
  t.throws(() => meant({ tenantFrom: '{org}' }, { org: 'none' }), unknown, 'not configured')
  t.throws(() => meant({ tenantFrom: '{org}' }, { org: undefined }), unknown, 'not said: not the default one')
  t.throws(() => meant({ tenantFrom: '{org}', tenants: ['acme'] }, { org: '' }), unknown)
  t.equal(meant({ tenant: 'globex' }, { tenant: 'acme' }), 'globex', 'a claim cannot change it')
})
