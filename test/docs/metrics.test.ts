import { globSync } from 'node:fs'
import t from 'tap'
import { ERRORS } from '../../src/base/errors.ts'
import { JOBS_SCHEMA } from '../../src/stores/postgres/job-table.ts'
import { ROOT, read } from '../support/deployment.ts'
import { busyService, exposedBy } from '../support/exposed-metrics.ts'
import { startService } from '../support/service.ts'

const PAGE = read('docs/reference/metrics.md')

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
      if (['tenant', 'client', 'status', 'receiver'].includes(String(label))) continue
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
