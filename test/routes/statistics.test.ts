import t from 'tap'
import { entriesOf, withKey } from '../support/api-keys.ts'
import { configurationFile, entryFor } from '../support/config-file.ts'
import { isProblem } from '../support/problems.ts'
import { startService } from '../support/service.ts'

t.test('statistics show what was verified, of the tenants of the key', async (t) => {
  const apiKeys = entriesOf({ all: {}, other: { roles: ['read'], tenants: ['other'] } })
  const { path } = configurationFile(t, { tenants: [entryFor('other')], apiKeys })
  const service = await startService(t, { environment: { CONFIG_FILE: path } })
  await service.revoke({ userId: service.userWithTokens(2).id })
  const of = (query: string, key = 'all') => service.call('GET', `/statistics${query}`, withKey(key))
  for (const [period, seconds, intervals] of [
    ['hour', 60, 60],
    ['day', 900, 96],
  ] as const) {
    let { json } = await of(`?period=${period}`)
    // On a busy machine, the first answer does not wait for the whole day.
    while (!json.isComplete) ({ json } = await of(`?period=${period}`))
    t.match(json, { verified: 1, intervalSeconds: seconds })
    t.equal(json.intervals.length, intervals)
    t.equal(json.intervals.filter(({ verified }: { verified: number }) => verified === 1).length, 1)
    t.ok(json.p50Seconds > 0 && json.p50Seconds === json.p99Seconds)
  }
  while ((await of('?tenant=default')).json.verified !== 1) t.comment('not counted yet')
  let other = (await of('', 'other')).json
  while (!other.isComplete) other = (await of('', 'other')).json
  t.match(other, { verified: 0, p50Seconds: null })
  isProblem(t, await of('?tenant=nonsense'), 'CURFEW_UNKNOWN_TENANT')
  isProblem(t, await of('?tenant=default', 'other'), 'CURFEW_UNKNOWN_TENANT')
  isProblem(t, await of('?period=year'), 'CURFEW_REQUEST_INVALID', 'period')
})
