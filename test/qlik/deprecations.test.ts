import t from 'tap'
import { Deprecations } from '../../src/qlik/deprecations.ts'
import type { MadeCall, Route } from '../../src/qlik/http.ts'
import { fakeClock } from '../support/clock.ts'

const HOUR = 60 * 60_000
const SUNSET = Date.parse('2027-11-30T00:00:00Z')
const DEPRECATED = { since: null, sunset: SUNSET, link: 'https://qlik.dev/changelog/1' }

function setUp() {
  const clock = fakeClock()
  const warnings: object[] = []
  const log = { info: () => {}, error: () => {}, warn: (details: object) => warnings.push(details) }
  const deprecations = new Deprecations({ clock, log })
  const note = (tenant: string, route: Route, deprecation: MadeCall['deprecation'] = DEPRECATED) =>
    deprecations.note(tenant, { route, status: 200, seconds: 0.1, deprecation })
  return { clock, warnings, deprecations, note }
}

t.test(
  'each route of each tenant is logged as a warning once a day, whatever the number of calls',
  async (t) => {
    const { clock, warnings, note } = setUp()
    for (let hour = 0; hour < 48; hour += 1) {
      for (let call = 0; call < 10; call += 1) note('a', 'list')
      clock.advance(HOUR)
    }
    t.strictSame(warnings, [
      { tenant: 'a', route: 'list', since: null, sunset: '2027-11-30T00:00:00.000Z', link: DEPRECATED.link },
      { tenant: 'a', route: 'list', since: null, sunset: '2027-11-30T00:00:00.000Z', link: DEPRECATED.link },
    ])
    note('a', 'revoke')
    note('b', 'list')
    t.match(warnings.slice(3), [{ tenant: 'b', route: 'list' }])
    t.equal(warnings.length, 4)
  },
)

t.test('responses that differ do not add log lines, and the last one counts', async (t) => {
  const { warnings, deprecations, note } = setUp()
  for (let day = 0; day < 100; day += 1) note('a', 'list', { ...DEPRECATED, sunset: day })
  t.equal(warnings.length, 1)
  t.strictSame(deprecations.of('a'), [{ ...DEPRECATED, route: 'list', sunset: 99 }])
})

t.test('a deprecation not reported for a day expires; a response without one does not end it', async (t) => {
  const { clock, deprecations, note } = setUp()
  note('a', 'list')
  clock.advance(12 * HOUR)
  note('a', 'revoke')
  note('a', 'list', null)
  note('b', 'list', null)
  t.same(deprecations.tenants(), ['a'])
  t.same(
    deprecations.of('a').map(({ route }) => route),
    ['list', 'revoke'],
  )
  clock.advance(12 * HOUR)
  t.match(deprecations.of('a'), [{ route: 'revoke' }])
  clock.advance(12 * HOUR)
  t.same(deprecations.of('a'), [])
  t.same(deprecations.tenants(), [])
})
