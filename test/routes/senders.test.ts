import t from 'tap'
import { entriesOf, startWithKeys, withKey } from '../support/api-keys.ts'
import { fakeClock } from '../support/clock.ts'
import { configurationFile, entryFor } from '../support/config-file.ts'
import { isProblem } from '../support/problems.ts'
import { databaseUrl, type Service, startService } from '../support/service.ts'

const HOUR_MS = 60 * 60_000

t.test('rejections are counted by hour, also those before a restart', async (t) => {
  const clock = fakeClock()
  const apiKeys = entriesOf({
    app: { roles: ['signal'] },
    ops: {},
    few: { roles: ['operate'], tenants: ['other'] },
  })
  const { path } = configurationFile(t, { tenants: [entryFor('other')], apiKeys })
  const environment = { CONFIG_FILE: path, DATABASE_URL: databaseUrl(t) }
  const options = { clock, sandbox: { now: clock.now }, environment }
  const first = await startService(t, options)
  const reject = ({ call }: Service) =>
    call('POST', '/logout-hook', { ...withKey('app'), body: { unknown: 1 } })
  isProblem(t, await first.call('GET', '/status', withKey('app')), 'CURFEW_ROLE_REQUIRED')
  await first.app.close()
  const service = await startService(t, options)
  clock.leap(2.5 * HOUR_MS)
  for (let count = 0; count < 2; count += 1) await reject(service)
  const read = async (name: string) => (await service.call('GET', '/senders', withKey(name))).json
  type Senders = { apiKeys: { name: string; rejections: { perHour: number[]; last: object } }[] }
  const shown = async () => {
    const { apiKeys }: Senders = await read('ops')
    return apiKeys.find(({ name }) => name === 'app')?.rejections
  }
  // The audit trail is written after the response.
  while ((await shown())?.perHour.at(-1) !== 2) clock.advance(1_000)
  const rejections = await shown()
  t.same(rejections?.perHour.slice(-4), [0, 1, 0, 2])
  t.equal(rejections?.perHour.length, 24)
  t.match(rejections?.last, { code: 'CURFEW_REQUEST_INVALID' })
  const few = await read('few')
  t.same(
    few.apiKeys.map(({ name }: { name: string }) => name),
    ['few'],
  )
  t.equal(Date.parse(few.rejectionsSince), clock.now() - 24 * HOUR_MS)
  isProblem(t, await service.call('GET', '/senders', withKey('app')), 'CURFEW_ROLE_REQUIRED')
})

t.test('the rejections are read from the audit trail once in 10 seconds', async (t) => {
  const clock = fakeClock()
  const options = { clock, sandbox: { now: clock.now } }
  const service = await startWithKeys(t, { app: { roles: ['signal'] }, ops: {} }, options)
  const shown = async () => (await service.call('GET', '/senders', withKey('ops'))).json.apiKeys
  for (let count = 0; count < 3; count += 1) await shown()
  await service.call('POST', '/logout-hook', { ...withKey('app'), body: { unknown: 1 } })
  const written = () => service.call('GET', '/audit?event=request-rejected', withKey('ops'))
  while ((await written()).json.items.length === 0);
  const of = (all: { name: string; rejections: { last: object | null } }[]) =>
    all.find(({ name }) => name === 'app')?.rejections.last
  t.equal(of(await shown()), null)
  clock.advance(11_000)
  t.match(of(await shown()), { code: 'CURFEW_REQUEST_INVALID' })
})

t.test('without an audit trail, the senders are shown without rejections', async (t) => {
  const service = await startWithKeys(t, { ops: {} }, { environment: { AUDIT_RETENTION_DAYS: '0' } })
  const { json } = await service.call('GET', '/senders', withKey('ops'))
  t.equal(json.rejectionsSince, null)
  t.match(json.apiKeys.at(-1), { name: 'ops', rejections: null })
})
