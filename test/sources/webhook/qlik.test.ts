import t from 'tap'
import { IGNORED, judged } from '../../support/judged.ts'
import { vendorOf, vendorService } from '../../support/vendor-service.ts'

const DATA = { id: '605a18af2ab08cdbfad09259', tenantId: 't1', subject: 'auth0|ada' }

t.test('a user deleted at Qlik is identified by the Qlik id, in each format of the event', async (t) => {
  const legacy = {
    cloudEventsVersion: '0.1',
    eventTypeVersion: '1.0.0',
    source: 'com.qlik/users',
    contentType: 'application/json',
    eventId: 'id123',
    eventTime: '2018-10-30T07:06:22Z',
    eventType: 'com.qlik.v1.user.deleted',
    extensions: { description: 'User deleted', tenantId: 'id123', userId: 'the-admin' },
    data: DATA,
  }
  const hybrid = {
    ...legacy,
    id: 'id123',
    time: legacy.eventTime,
    type: 'com.qlik.v1.user.deleted',
    userid: 'the-admin',
  }
  const { id, time, userid } = hybrid
  const cloudEvent = { id, time, userid, type: 'com.qlik.core.user.deleted', specversion: '1.0', data: DATA }
  for (const body of [legacy, hybrid, cloudEvent])
    t.match(judged('qlik', body), {
      signals: ['security userId 605a18af2ab08cdbfad09259'],
      times: ['2018-10-30T07:06:22.000Z'],
    })
  t.same(judged('qlik', { ...cloudEvent, type: 'com.qlik.core.user.created' }), IGNORED)
  t.same(judged('qlik', { ...cloudEvent, type: 'com.qlik.core.user.updated' }), IGNORED)
})

t.test('an upper case signature is accepted', async (t) => {
  const vendor = vendorOf('qlik')
  const { send } = await vendorService(t, vendor)
  const body = JSON.stringify(vendor.sample('e1'))
  const { 'qlik-signature': value = '' } = await vendor.sign(body, { secret: vendor.secret, at: Date.now() })
  t.equal((await send(body, { headers: { 'qlik-signature': value.toUpperCase() } })).status, 204)
})
