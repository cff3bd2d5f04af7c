import t from 'tap'
import type { SourceEntry } from '../../src/base/source-entry.ts'
import { SessionSources } from '../../src/revocation/session-sources.ts'
import { rejection } from '../support/events.ts'

const TENANTS = ['first', 'acme', 'globex']

/** The sources of these entries. */
function sessionSources(...entries: Partial<SourceEntry>[]) {
  const sources = entries.map((entry, index) => ({
    name: `op${index}`,
    kind: 'oidc-back-channel-logout',
    ...entry,
  }))
  const tenants = { has: (name: string) => TENANTS.includes(name), names: () => TENANTS }
  return new SessionSources(() => sources, tenants)
}

const TABLE: [entries: Partial<SourceEntry>[], tenant: string, names: string[]][] = [
  [[], 'first', []],
  [[{}], 'first', ['op0']],
  [[{}], 'acme', []],
  [[{ tenant: 'acme' }], 'acme', ['op0']],
  [[{ tenant: 'acme' }], 'first', []],
  [[{ tenantFrom: '{org}' }], 'globex', ['op0']],
  [[{ tenantFrom: '{org}', tenants: ['acme'] }], 'acme', ['op0']],
  [[{ tenantFrom: '{org}', tenants: ['acme'] }], 'first', []],
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
        else
          t.match(
            await rejection(named()),
            refusal(/^expected the name of a source whose tokens name sessions/),
            row,
          )
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
