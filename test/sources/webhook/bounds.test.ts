import t from 'tap'
import { VENDORS } from '../../../src/sandbox/identity-provider/vendors.ts'
import { entryFor } from '../../support/config-file.ts'
import { isProblem } from '../../support/problems.ts'
import { startWithSources } from '../../support/source-service.ts'
import { vendorOf, vendorService } from '../../support/vendor-service.ts'

t.test('a reload accepts a new secret immediately, and rejects the old one', async (t) => {
  const entries = (which: 'secret' | 'otherSecret') =>
    VENDORS.map(({ kind, entry = {}, ...vendor }) => ({ name: kind, kind, secret: vendor[which], ...entry }))
  const { call, configure } = await startWithSources(t, entries('secret'))
  const send = async ({ kind, sample, sign }: (typeof VENDORS)[number], id: string, secret: string) => {
    const body = JSON.stringify(sample(id))
    const proof = await sign(body, { secret, at: Date.now() })
    const headers = { authorization: '', 'content-type': 'application/json', ...proof }
    return call('POST', `/sources/${kind}/webhook`, { body, headers })
  }
  for (const vendor of VENDORS)
    t.equal((await send(vendor, 'before', vendor.secret)).status, vendor.answer, vendor.kind)
  t.equal((await configure(entries('otherSecret'))).status, 200)
  for (const vendor of VENDORS) {
    isProblem(t, await send(vendor, 'after', vendor.secret), 'CURFEW_SOURCE_UNPROVEN')
    t.equal((await send(vendor, 'after', vendor.otherSecret)).status, vendor.answer, vendor.kind)
  }
  await configure([])
  for (const vendor of VENDORS)
    isProblem(t, await send(vendor, 'gone', vendor.otherSecret), 'CURFEW_NOT_FOUND')
})

t.test('events get the tenant and reason of the entry; events for other tenants are rejected', async (t) => {
  const vendor = vendorOf('generic')
  const { send, stored, counted } = await vendorService(
    t,
    vendor,
    { tenantFrom: '{/org}', tenants: ['acme'], reason: 'session-expired', items: '/events' },
    { tenants: [entryFor('acme'), entryFor('globex')] },
  )
  const event = (org?: string) => ({
    ...(vendor.sample('e') as object),
    org,
    reason: 'security',
    scope: 'all',
  })
  const events = ['globex', 'default', 'elsewhere', undefined, 'acme'].map(event)
  t.equal((await send({ events })).status, vendor.answer)
  t.match(await stored(), [{ tenant: 'acme', reason: 'session-expired', scope: 'issued-before' }])
  t.equal((await stored()).length, 1)
  t.equal(await counted('rejected'), 4)
})

t.test("each vendor's user may be identified differently at Qlik", async (t) => {
  for (const vendor of VENDORS.filter(({ kind }) => kind !== 'generic')) {
    const user = { as: 'subject', from: `{${vendor.kind}}|x` }
    const { send, counted } = await vendorService(t, vendor, { user })
    t.equal((await send(vendor.sample('e1'))).status, vendor.answer, 'a missing member names no user')
    t.equal(await counted('rejected'), 1, vendor.kind)
  }
})
