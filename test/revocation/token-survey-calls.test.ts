import t, { type Test } from 'tap'
import type { ClientPower } from '../../src/revocation/qlik-tenant.ts'
import { REASONS } from '../../src/revocation/signal.ts'
import type { Sized } from '../../src/revocation/store/size-store.ts'
import { TokenSurvey, type TokenSurveyOptions } from '../../src/revocation/token-survey.ts'
import { SILENT } from '../conformance/stores.ts'
import { fakeClock } from '../support/clock.ts'
import { qlikTenant } from '../support/qlik-tenant.ts'

const POWER: ClientPower = {
  ...{ power: 'proven', evidence: 'tenant-admin', scope: 'admin_classic', client: 'b' },
  ...{ ownUserId: 'bot', ownUserIds: new Set(['bot']) },
}
const USER = { kind: 'userId' as const, value: 'u' }
const usersOf = (count: number) => Array.from({ length: count }, (_, index) => `u${index}`)
const PAGES: Record<string, { owners: string[]; next: string | null }> = {
  first: { owners: ['u0', 'u0', 'u1'], next: 'second' },
  second: { owners: ['u1', 'u2', 'u2'], next: null },
}

/** A survey of one tenant with these users, whose whole list is read. */
function surveyOf(
  t: Test,
  users: readonly string[],
  store: Partial<TokenSurveyOptions['store']>,
  clock = fakeClock(),
) {
  const asked: string[] = []
  const tenant = qlikTenant({
    power: async () => POWER,
    listOwners: async (page, { client }) => {
      asked.push(client)
      return PAGES[page ?? 'first'] ?? { owners: [], next: null }
    },
  })
  const queued = users.map((value) => ({
    ...{ id: value, dueAt: 0, resolved: [] },
    user: { kind: 'userId' as const, value },
  }))
  const survey = new TokenSurvey({
    store: {
      unsized: async ({ reason, after }) => (reason === 'logout' && after === null ? queued : []),
      noteSizes: async (sizes) => sizes.length,
      reserveSurvey: async () => true,
      ...store,
    },
    tenants: { get: () => tenant },
    ...{ clock, log: SILENT, onSized: () => {} },
    allowance: () => ({ permitsPerWindow: 5, permits: 0, readsPerWindow: 5_000, reads: 5_000 }),
    tokens: () => new Map([['default', 10]]),
  })
  t.teardown(() => survey.stop())
  survey.wake()
  return { survey, asked }
}

t.test('the client with proven power reads all pages of the whole tenant', async (t) => {
  const { promise: noted, resolve: note } = Promise.withResolvers<readonly Sized[]>()
  const { asked } = surveyOf(t, usersOf(20), {
    noteSizes: async (sizes) => {
      note(sizes)
      return sizes.length
    },
  })
  const sizes = new Map((await noted).map(({ id, size }) => [id, size]))
  t.same(
    ['u0', 'u1', 'u2', 'u3'].map((user) => sizes.get(user)),
    [2, 2, 2, 0],
  )
  t.same(asked, ['b', 'b'])
})

t.test('sizes are stored in parts, with a pause of three times as long as each part took', async (t) => {
  const clock = fakeClock()
  const noted: number[] = []
  const noteSizes = async (sizes: readonly Sized[]) => {
    noted.push(sizes.length)
    clock.advance(100 * noted.length)
    return sizes.length
  }
  surveyOf(t, usersOf(120), { noteSizes }, clock)
  t.equal(await clock.timerOf('base/pause.ts'), 300)
  t.same(noted, [50])
  clock.advance(300)
  t.equal(await clock.timerOf('base/pause.ts'), 600)
  t.same(noted, [50, 50])
  clock.advance(600)
  t.equal(await clock.timerOf('base/pause.ts'), 900)
  t.same(noted, [50, 50, 20])
})

t.test('while another process surveys the tenant, its queue is read every ten seconds', async (t) => {
  const clock = fakeClock()
  let reads = 0
  surveyOf(
    t,
    usersOf(20),
    {
      unsized: async ({ reason }) => {
        reads += 1
        return reason === 'security' ? [{ id: 'u', dueAt: 0, resolved: [], user: USER }] : []
      },
      reserveSurvey: async () => false,
    },
    clock,
  )
  await clock.timerOf('revocation/token-survey.ts')
  t.equal(reads, REASONS.length)
  clock.advance(9_000)
  t.equal(reads, REASONS.length)
  clock.advance(1_000)
  t.ok(reads > REASONS.length, 'although nothing else wakes it')
})
