import { globSync } from 'node:fs'
import t from 'tap'
import { ERRORS } from '../../src/base/errors.ts'
import { JOBS_SCHEMA } from '../../src/stores/postgres/job-table.ts'
import { ROOT, read } from '../support/deployment.ts'
import { type Service, startService } from '../support/service.ts'

const PAGE = read('docs/reference/metrics.md')

interface Exposed {
  type: string
  labels: string[]
  /** `label=value`, for each value that was seen. */
  values: Set<string>
}

/** The metrics that `/metrics` returns, by name. */
async function exposedBy({ call }: Service): Promise<Map<string, Exposed>> {
  const { text } = await call('GET', '/metrics')
  const exposed = new Map<string, Exposed>()
  for (const [, name, type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm))
    exposed.set(String(name), { type: String(type), labels: [], values: new Set() })
  for (const [, sample, list = ''] of text.matchAll(/^([a-z_]+)(?:\{(.*)\})? \S+$/gm)) {
    const metric = exposed.get(String(sample)) ?? exposed.get(String(sample).replace(/_[a-z]+$/, ''))
    if (!metric) throw new Error(`No type of ${sample}`)
    const labels = [...list.matchAll(/([a-z]+)="(.*?)"/g)].filter(([, label]) => label !== 'le')
    metric.labels = labels.map(([, label]) => String(label))
    for (const [, label, value] of labels) metric.values.add(`${label}=${value}`)
  }
  return exposed
}

/** A service that has counted something in every metric. */
async function busyService(t: Parameters<typeof startService>[0]): Promise<Service> {
  const service = await startService(t, { environment: { MASS_REVOCATION_USERS: '3' } })
  const { tenant } = service.sandbox
  tenant.deprecations.add({ route: 'list', sunset: 'Tue, 30 Nov 2027 00:00:00 GMT' })
  const { id } = service.userWithTokens(2)
  for (const user of [{ userId: id }, { userId: 'nobody' }, { email: 'nobody@example.com' }])
    await service.revoke(user)
  tenant.order({ kind: 'status', status: 403, route: 'list' })
  await service.revoke({}, `/users/${id}/revoke-all`)
  await service.call('POST', '/revocations', { body: {} })
  await service.call('POST', '/sources/nobody/webhook', { body: {} })
  await service.call('GET', '/revocations', { headers: { authorization: '' } })
  await service.call('POST', '/logout-hook', { body: { userId: 'too many' } })
  return service
}

t.test('the page lists the metrics that are exposed, with type and labels', async (t) => {
  const exposed = await exposedBy(await busyService(t))
  const rows = [...PAGE.matchAll(/^\| `(curfew_[a-z_]+)` \| (\w+) \| (.*?) \| \S/gm)]
  t.same(
    rows.map(([, name, type, labels]) => [name, type, labels]).sort(),
    [...exposed]
      .map(([name, { type, labels }]) => [
        name,
        type,
        labels.map((label) => `\`${label}\``).join(', ') || '–',
      ])
      .sort(),
  )
})

t.test('the page explains each label, and each value of those that have few', async (t) => {
  const exposed = await exposedBy(await busyService(t))
  const rows = [...PAGE.matchAll(/^\| `([a-z]+)`(?: of `(\w+)`)? \| (.*) \|$/gm)]
  const seen = new Set<string>()
  for (const [name, { values }] of exposed)
    for (const [label, value] of [...values].map((pair) => pair.split('='))) {
      const row = rows.find(([, of, metric]) => of === label && (metric === undefined || metric === name))
      if (!t.ok(row, `${name} ${label}`)) continue
      seen.add(String(row?.[0]))
      if (label === 'tenant' || label === 'client' || label === 'status') continue
      if (name === 'curfew_rejections_total' && label === 'reason') {
        t.ok(Object.hasOwn(ERRORS, String(value)), String(value))
        continue
      }
      const meaning = value === '' ? 'empty' : `\`${value}\``
      t.ok(String(row?.[3]).includes(meaning), `${name} ${label} ${value}`)
    }
  t.equal(seen.size, rows.length)
})

t.test('no document names a metric that does not exist', async (t) => {
  const exposed = await exposedBy(await startService(t))
  for (const file of globSync(['*.md', 'docs/**/*.md', 'deploy/**/*.md'], { cwd: ROOT }))
    for (const [name] of read(file).matchAll(/\bcurfew_[a-z_]+/g))
      if (name !== JOBS_SCHEMA)
        t.ok(exposed.has(name.replace(/_(bucket|sum|count)$/, '')), `${file}: ${name}`)
})
