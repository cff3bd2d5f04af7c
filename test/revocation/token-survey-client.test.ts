import t from 'tap'
import type { ClientPower } from '../../src/revocation/qlik-tenant.ts'
import type { Sized } from '../../src/revocation/store/size-store.ts'
import { TokenSurvey } from '../../src/revocation/token-survey.ts'
import { SILENT } from '../conformance/stores.ts'
import { fakeClock } from '../support/clock.ts'
import { qlikTenant } from '../support/qlik-tenant.ts'

const POWER: ClientPower = {
  ...{ power: 'proven', evidence: 'tenant-admin', scope: 'admin_classic', client: 'b' },
  ...{ ownUserId: 'bot', ownUserIds: new Set(['bot']) },
}
const USERS = Array.from({ length: 20 }, (_, index) => `u${index}`)
const PAGES: Record<string, { owners: string[]; next: string | null }> = {
  first: { owners: ['u0', 'u0', 'u1'], next: 'second' },
  second: { owners: ['u1', 'u2', 'u2'], next: null },
}

t.test('the client with proven power reads all pages of the whole tenant', async (t) => {
  const { promise: noted, resolve: note } = Promise.withResolvers<readonly Sized[]>()
  const asked: string[] = []
  const tenant = qlikTenant({
    power: async () => POWER,
    listOwners: async (page, { client }) => {
      asked.push(client)
      return PAGES[page ?? 'first'] ?? { owners: [], next: null }
    },
  })
  const queued = USERS.map((value) => ({
    ...{ id: value, dueAt: 0, resolved: [] },
    user: { kind: 'userId' as const, value },
  }))
  const survey = new TokenSurvey({
    store: {
      unsized: async ({ reason, after }) => (reason === 'logout' && after === null ? queued : []),
      noteSizes: async (sizes) => {
        note(sizes)
        return sizes.length
      },
      reserveSurvey: async () => true,
    },
    tenants: { get: () => tenant },
    ...{ clock: fakeClock(), log: SILENT, onSized: () => {} },
    allowance: () => ({ permitsPerWindow: 5, permits: 0, readsPerWindow: 5_000, reads: 5_000 }),
    tokens: () => new Map([['default', 10]]),
  })
  t.teardown(() => survey.stop())
  survey.wake()
  const sizes = new Map((await noted).map(({ id, size }) => [id, size]))
  t.same(
    ['u0', 'u1', 'u2', 'u3'].map((user) => sizes.get(user)),
    [2, 2, 2, 0],
  )
  t.same(asked, ['b', 'b'])
})
