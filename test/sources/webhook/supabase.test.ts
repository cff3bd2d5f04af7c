import t from 'tap'
import { IGNORED, judged } from '../../support/judged.ts'
import { isProblem } from '../../support/problems.ts'
import { vendorOf, vendorService } from '../../support/vendor-service.ts'

const change = (type: string, table: string, oldRecord: object | null, schema = 'auth') => ({
  type,
  table,
  schema,
  record: type === 'DELETE' ? null : { id: 'new' },
  old_record: oldRecord,
})

t.test('a deleted session and a deleted user end sessions', async (t) => {
  const session = change('DELETE', 'sessions', { id: 's1', user_id: 'u1' })
  t.match(judged('supabase', session), { signals: ['logout subject u1'] })
  const user = change('DELETE', 'users', { id: 'u1', email: 'ada@example.com' })
  t.match(judged('supabase', user), { signals: ['security subject u1'] })
  const email = { user: { as: 'email', from: '{/old_record/email}' } } as const
  t.match(judged('supabase', user, email), { signals: ['security email ada@example.com'] })
})

t.test('other changes, and other tables, are ignored', async (t) => {
  t.same(judged('supabase', change('INSERT', 'sessions', null)), IGNORED)
  t.same(judged('supabase', change('UPDATE', 'users', { id: 'u1' })), IGNORED)
  t.same(judged('supabase', change('DELETE', 'sessions', { id: 's1', user_id: 'u1' }, 'public')), IGNORED)
})

t.test('a webhook with a static header is accepted if the secret is not a signing secret', async (t) => {
  const secret = 'a-shared-secret-of-32-characters'
  const vendor = vendorOf('supabase')
  const { send, stored } = await vendorService(t, { ...vendor, sign: () => ({}) }, { secret })
  for (const [authorization, status] of [
    [`Bearer ${secret}`, 200],
    [secret, 200],
    [`Bearer ${secret}x`, 401],
    [`Basic ${secret}`, 401],
    ['', 401],
  ] as const)
    t.equal((await send(vendor.sample('e1'), { headers: { authorization } })).status, status, authorization)
  const body = JSON.stringify(vendor.sample('e2'))
  const signed = await vendor.sign(body, { secret: vendor.secret, at: Date.now() })
  isProblem(t, await send(body, { headers: signed }), 'CURFEW_SOURCE_UNPROVEN')
  t.equal((await stored()).length, 1)
})

t.test('a signing secret is not accepted in a header', async (t) => {
  const vendor = { ...vendorOf('supabase'), sign: () => ({}) }
  const { send } = await vendorService(t, vendor)
  const headers = { authorization: `Bearer ${vendor.secret}` }
  isProblem(t, await send(vendor.sample('e1'), { headers }), 'CURFEW_SOURCE_UNPROVEN')
})

t.test('changes of one row are distinguished from each other and from its deletion', async (t) => {
  const secret = 'a-shared-secret-of-32-characters'
  const events = { 'UPDATE auth.users': 'security', 'DELETE auth.users': 'security' }
  const vendor = { ...vendorOf('supabase'), sign: () => ({}) }
  const { send, counted } = await vendorService(t, vendor, { secret, events })
  const times = ['2026-05-04T12:00:00Z', '2026-05-04T13:00:00Z']
  for (const body of [
    ...times.map((time) => change('UPDATE', 'users', { id: 'u1', updated_at: time })),
    change('DELETE', 'users', { id: 'u1', updated_at: times[1] }),
    change('DELETE', 'users', { id: 'u1' }),
    change('DELETE', 'users', { id: 'u1' }),
  ])
    t.equal((await send(body, { headers: { authorization: `Bearer ${secret}` } })).status, 200)
  t.same([await counted('accepted'), await counted('replayed')], [4, 1])
})
