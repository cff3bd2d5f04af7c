import t from 'tap'
import type { SourceConfig } from '../../src/sources/kinds.ts'
import { SessionSources } from '../../src/sources/session-sources.ts'
import { Sources } from '../../src/sources/sources.ts'
import { fakeClock } from '../support/clock.ts'
import { rejection } from '../support/events.ts'

const TENANTS = ['first', 'acme', 'globex']

/** The sources of these entries; all name sessions, unless their kind says otherwise. */
function sessionSources(...entries: Partial<SourceConfig>[]) {
  const configs = entries.map((entry, index) => ({
    ...{ name: `op${index}`, kind: 'oidc-back-channel-logout', issuer: `https://op${index}.example` },
    ...{ audience: 'portal', algorithms: ['RS256'] },
    ...entry,
  })) as SourceConfig[]
  const fetchJson = () => Promise.reject(new Error('Nothing is fetched here.'))
  const tenants = { has: (name: string) => TENANTS.includes(name), names: () => TENANTS }
  return new SessionSources(new Sources(configs, { fetchJson, clock: fakeClock() }), tenants)
}

const foreign = { name: 'vendor', kind: 'shared-signals' } as const

const TABLE: [entries: Partial<SourceConfig>[], tenant: string, names: string[]][] = [
  [[], 'first', []],
  [[{}], 'first', ['op0']],
  [[{}], 'acme', []],
  [[{ tenant: 'acme' }], 'acme', ['op0']],
  [[{ tenant: 'acme' }], 'first', []],
  [[{ tenantFrom: '{org}' }], 'globex', ['op0']],
  [[{ tenantFrom: '{org}', tenants: ['acme'] }], 'acme', ['op0']],
  [[{ tenantFrom: '{org}', tenants: ['acme'] }], 'first', []],
  [[foreign, {}], 'first', ['op1']],
  [[{}, { tenant: 'first' }, { tenant: 'acme' }], 'first', ['op0', 'op1']],
  [[{ tenant: 'acme' }, { tenantFrom: '{org}' }], 'acme', ['op0', 'op1']],
  [[{ tenant: 'acme' }, { tenantFrom: '{org}' }], 'globex', ['op1']],
]

t.test(
  'a source is known in the tenants that it may speak for, and taken for granted where it is alone',
  async (t) => {
    for (const [entries, tenant, names] of TABLE) {
      const sources = sessionSources(...entries)
      const row = JSON.stringify([entries, tenant])
      const isOnly = names.length === 1
      for (const source of ['op0', 'op1', 'op2', 'vendor', 'none']) {
        const named = async () => sources.named(source, tenant, '/source')
        if (names.includes(source)) t.same(await named(), { tenant, source, isOnly }, row)
        else t.match(await rejection(named()), refusal(/^expected the name of a source of kind/), row)
        t.same(sources.of(source, tenant), { tenant, source, isOnly: isOnly && names[0] === source }, row)
      }
      const unnamed = async () => sources.named(undefined, tenant, '/source')
      if (isOnly) t.same(await unnamed(), { tenant, source: names[0], isOnly: true }, row)
      else
        t.match(
          await rejection(unnamed()),
          refusal(names.length === 0 ? /none is configured$/ : /the name/),
          row,
        )
    }
  },
)

function refusal(expected: RegExp) {
  return { code: 'CURFEW_REQUEST_INVALID', members: [{ member: '/source', expected }] }
}
