import t from 'tap'
import { isProblem, nothingStored } from '../../support/problems.ts'
import { PATH, vendorOf, vendorService } from '../../support/vendor-service.ts'

t.test('an unknown source, and one of another kind, has no webhook', async (t) => {
  const { service, send } = await vendorService(t, vendorOf('qlik'))
  isProblem(t, await service.call('POST', '/sources/nobody/webhook', { body: {} }), 'CURFEW_NOT_FOUND')
  const other = await service.call('POST', '/sources/the-source/backchannel-logout', { body: {} })
  t.equal(other.status, 404)
  isProblem(
    t,
    await send(vendorOf('qlik').sample('e1'), { secret: 'not-the-secret-at-all' }),
    'CURFEW_SOURCE_UNPROVEN',
  )
  await nothingStored(t, service)
})

t.test('an API key does not authenticate a source', async (t) => {
  const { service } = await vendorService(t, vendorOf('okta-event-hook'))
  const body = vendorOf('okta-event-hook').sample('e1')
  isProblem(t, await service.call('POST', PATH, { body }), 'CURFEW_SOURCE_UNPROVEN')
  await nothingStored(t, service)
})
