import t from 'tap'
import type { SourceEntry } from '../../../src/base/source-entry.ts'
import { ConfiguredSources } from '../../../src/sources/common/configured-sources.ts'

const entry = (name: string, more: Partial<SourceEntry> = {}): SourceEntry => ({
  kind: 'test',
  name,
  ...more,
})

/** Sources that record which one they replaced. */
function configured(...entries: ReturnType<typeof entry>[]) {
  type Source = { config: ReturnType<typeof entry>; previous: Source | null }
  const sources = new ConfiguredSources<Source>((config, previous) => ({ config, previous }))
  sources.replace(entries)
  return sources
}

t.test('finds a source by its name', async (t) => {
  const sources = configured(entry('a'), entry('b'))
  t.equal(sources.find('a')?.config.name, 'a')
  t.equal(sources.find('c'), null)
  t.equal(sources.find('constructor'), null)
  t.same(
    sources.all().map(({ config }) => config.name),
    ['a', 'b'],
  )
})

t.test('a source whose entry is unchanged stays open; a changed one is opened again', async (t) => {
  const sources = configured(entry('same'), entry('changed'), entry('removed'))
  const [same, changed] = sources.all()
  sources.replace([entry('new'), entry('changed', { tenant: 'acme' }), entry('same')])
  t.equal(sources.find('same'), same)
  t.equal(sources.find('changed')?.config.tenant, 'acme')
  t.equal(sources.find('changed')?.previous, changed)
  t.equal(sources.find('new')?.previous, null)
  t.equal(sources.find('removed'), null)
})
