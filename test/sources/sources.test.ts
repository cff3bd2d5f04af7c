import Fastify from 'fastify'
import t from 'tap'
import type { SourceEntry } from '../../src/base/source-entry.ts'
import type { SourceContext, SourcePart } from '../../src/sources/common/part.ts'
import { Sources } from '../../src/sources/sources.ts'

/** Sources only pass these on. */
const OPTIONS = { tenants: { has: () => true, names: () => ['default'] } } as unknown as SourceContext

function aPart(kinds: string[], more: Partial<SourcePart> = {}) {
  const calls: unknown[] = []
  const part: SourcePart = {
    kinds,
    entries: () => [],
    open: () => ({
      routes: async (app) => void app.get(`/${kinds[0]}`, async () => kinds),
      replace: (entries) => void calls.push(entries.map(({ name }) => name)),
      start: () => void calls.push('start'),
      checks: () => [{ name: `${kinds[0]}`, status: 'ok' }],
      stop: async () => void calls.push('stop'),
    }),
    ...more,
  }
  return { part, calls }
}
const entry = (kind: string, name: string): SourceEntry => ({ kind, name })

t.test('each part gets the entries of its kinds, and its turn at start, readiness and stop', async (t) => {
  const one = aPart(['a', 'b'])
  const other = aPart(['c'])
  const entries = [entry('a', 'a1'), entry('c', 'c1'), entry('b', 'b1')]
  const sources = new Sources([one.part, other.part], entries, OPTIONS)
  sources.start()
  sources.replace([entry('c', 'c2')])
  t.same(
    sources.checks().map(({ name }) => name),
    ['a', 'c'],
  )
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(sources.routes)
  t.same((await app.inject('/c')).json(), ['c'])
  await sources.stop()
  t.same(one.calls, [['a1', 'b1'], 'start', [], 'stop'])
  t.same(other.calls, [['c1'], 'start', ['c2'], 'stop'])
})

t.test('sessions belong to the sources of parts that name sessions', async (t) => {
  const naming = aPart(['a'], { namesSessions: true })
  const other = aPart(['b'])
  const sources = new Sources([naming.part, other.part], [entry('a', 'a1'), entry('b', 'b1')], OPTIONS)
  t.same(sources.sessions.named(undefined, 'default', '/source'), {
    tenant: 'default',
    source: 'a1',
    isOnly: true,
  })
  await sources.stop()
})
