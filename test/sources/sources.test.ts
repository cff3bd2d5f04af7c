import t from 'tap'
import { z } from 'zod'
import { sourceSchema } from '../../src/sources/kinds.ts'
import { Sources } from '../../src/sources/sources.ts'
import { fakeClock } from '../support/clock.ts'

const schema = sourceSchema({ given: () => z.string(), inFile: () => z.string() })
const entry = (name: string, more: object = {}) =>
  schema.parse({
    name,
    kind: 'oidc-back-channel-logout',
    issuer: 'https://op.example',
    audience: 'client',
    ...more,
  })
const open = (...entries: ReturnType<typeof entry>[]) =>
  new Sources(entries, { fetchJson: async () => ({}), clock: fakeClock() })

t.test('a source is found by its name, for the ways in of its kind', async (t) => {
  const sources = open(entry('a'), entry('b'))
  t.equal(sources.find('a', 'oidc-back-channel-logout')?.config.name, 'a')
  t.equal(sources.find('c', 'oidc-back-channel-logout'), null)
  t.equal(sources.find('constructor', 'oidc-back-channel-logout'), null)
  t.equal(sources.find('a'), null, 'for no kind')
  t.same(
    sources.ofKind('oidc-back-channel-logout').map(({ config }) => config.name),
    ['a', 'b'],
  )
})

t.test('replaced, what has the same issuer keeps its keys; what has another gets new ones', async (t) => {
  const sources = open(entry('same'), entry('changed'), entry('moved'), entry('elsewhere'), entry('gone'))
  const keysOf = (name: string) => sources.find(name, 'oidc-back-channel-logout')?.keys
  const names = ['same', 'changed', 'moved', 'elsewhere']
  const before = names.map(keysOf)
  sources.replace([
    entry('new'),
    entry('changed', { audience: 'other' }),
    entry('moved', { issuer: 'https://other.example' }),
    entry('elsewhere', { jwksUri: 'https://keys.example/jwks' }),
    entry('same'),
  ])
  t.ok([...before, ...names.map(keysOf)].every(Boolean))
  t.same(
    names.map((name, index) => keysOf(name) === before[index]),
    [true, true, false, false],
  )
  t.equal(sources.find('changed', 'oidc-back-channel-logout')?.config.audience, 'other')
  t.ok(keysOf('new'))
  t.equal(keysOf('gone'), undefined)
})
