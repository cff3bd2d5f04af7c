import t, { type Test } from 'tap'
import { identify } from '../../src/revocation/identify.ts'
import type { ClientPower, UserMatch } from '../../src/revocation/qlik-tenant.ts'
import type { UserReference } from '../../src/revocation/signal.ts'
import type { Folding } from '../../src/sandbox/scim-filter.ts'
import { fakeClock } from '../support/clock.ts'
import { rejection } from '../support/events.ts'
import { openRuns } from '../support/runs.ts'
import { startService } from '../support/service.ts'

const KATE = 'kate@example.com'
/** The same name with a Kelvin sign, which `toLowerCase()` turns into a `k`. */
const KELVIN = '\u212Aate@example.com'
const AMBIGUOUS = { code: 'CURFEW_AMBIGUOUS_USER' }

const POWER = { scope: 'admin_classic', ownUserId: 'own', ownUserIds: new Set(['own']) }
const FULL = { power: 'proven', evidence: 'tenant-admin', client: 'a', ...POWER } as const
const CALL = { signal: new AbortController().signal, urgency: 0 }

async function asked(user: UserReference, matches: readonly UserMatch[]) {
  const tenant = {
    findUsers: async () => ({ matches: [...matches], seesAll: true }),
    power: async () => FULL,
  }
  const { ids } = await identify(user, new Set(['own']), tenant, CALL)
  return ids
}
const named = (...values: string[]): UserMatch[] =>
  values.map((value, index) => ({ id: `id${index}`, value }))

t.test('a name resolves to the users that Qlik finds, unless the match is uncertain', async (t) => {
  const user = { kind: 'email', value: KATE } as const
  for (const [matches, ids] of [
    [[], []],
    [named(KATE), ['id0']],
    [named('Kate@Example.com'), ['id0']],
    [named(KATE, KATE), ['id0', 'id1']],
    [[...named(KATE), ...named(KATE)], ['id0']],
  ] as const) {
    t.same(await asked(user, matches), ids, JSON.stringify(matches))
  }
  for (const matches of [
    named(KELVIN),
    named('kat\u00E9@example.com'),
    named(KATE, 'Kate@example.com'),
    named(KATE, KELVIN),
    named('kate@ex\u00ADample.com'),
  ]) {
    t.match(await rejection(asked(user, matches)), AMBIGUOUS, JSON.stringify(matches))
  }
  t.match(await rejection(asked({ kind: 'subject', value: KELVIN }, named(KATE))), AMBIGUOUS)
  t.same(await asked({ kind: 'subject', value: KELVIN }, named(KELVIN)), ['id0'], 'spelled exactly the same')
  t.match(await rejection(asked(user, [{ id: 'own', value: KATE }])), { code: 'CURFEW_OWN_USER' })
  t.same(await asked({ kind: 'userId', value: KELVIN }, named(KATE)), [KELVIN], 'an id is used as is')
})

t.test('that no user matches is proven only by a client that is proven to see all users', async (t) => {
  const unknown = { ...FULL, power: 'unknown', evidence: 'not-reported' } as const
  const lacking = { ...FULL, power: 'lacking', evidence: 'role-missing' } as const
  /** `best` is the tenant's most powerful client. */
  const search = (seesAll: boolean, best: ClientPower) => {
    const findUsers = async () => ({ matches: [], seesAll })
    return identify({ kind: 'email', value: KATE }, new Set(), { findUsers, power: async () => best }, CALL)
  }
  t.same(await search(true, FULL), { ids: [], isProven: true })
  t.same(await search(false, unknown), { ids: [], isProven: false })
  t.match(await rejection(search(false, lacking)), { code: 'CURFEW_CLIENT_NOT_ADMIN' })
  t.match(
    await rejection(search(false, FULL)),
    { code: 'CURFEW_LISTING_UNSTABLE' },
    'another client sees more',
  )
})

t.test('a client that has just lost its role does not make a user unknown', async (t) => {
  const runs = await openRuns(t)
  const kate = runs.userWithTokens(2, { email: KATE })
  const revocation = runs.revocation({ user: { kind: 'email', value: KATE } })
  await runs.run(runs.revocation({ userId: 'someone' }))
  runs.clock.advance(1_000)
  runs.sandbox.tenant.changeClient(runs.client.id, { admin: false })
  const lost = await runs.run(revocation)
  t.match(lost, { ended: 'stopped', resolved: null, error: { code: 'CURFEW_CLIENT_NOT_ADMIN' } })
  t.equal(runs.sandbox.tenant.tokensOf(kate.id).length, 2)
  runs.sandbox.tenant.changeClient(runs.client.id, { admin: true })
  runs.clock.leap(60_000)
  t.match(await runs.run(revocation), { ended: 'completed', outcome: 'revoked', tokens: { revoked: 2 } })
})

t.test('a client whose role is unknown cannot show that no user matches', async (t) => {
  const runs = await openRuns(t, { client: { admin: false, rolesReported: false } })
  const kate = runs.userWithTokens(2, { email: KATE })
  const result = await runs.run(runs.revocation({ user: { kind: 'email', value: KATE } }))
  t.match(result, { ended: 'completed', outcome: 'none-visible', proof: null, confirmInMs: null })
  t.equal(runs.sandbox.tenant.tokensOf(kate.id).length, 2)
})

/**
 * Kate with two tokens, in a tenant that compares names this way. The clock stands still, so everything happens
 * within two seconds.
 */
async function start(t: Test, nameFolding: Folding) {
  const clock = fakeClock()
  const service = await startService(t, { clock, sandbox: { now: clock.now, nameFolding } })
  const { tenant } = service.sandbox
  const kate = service.userWithTokens(2, { email: KATE })
  return {
    ...service,
    alive: () => tenant.tokensOf(kate.id).length,
    login: () => tenant.issueTokens(kate.id, 1, { issuedAt: clock.now() - 60_000 }),
  }
}

t.test('a lookup of a similar name does not prevent the logout of the user', async (t) => {
  for (const [nameFolding, first] of [
    ['ascii', { outcome: 'no-matching-user' }],
    ['unicode', { status: 'failed', error: AMBIGUOUS }],
  ] as const) {
    const service = await start(t, nameFolding)
    t.match(await service.revoke({ email: KELVIN }), first, nameFolding)
    t.equal(service.alive(), 2)
    t.match(await service.revoke({ email: KATE }), { outcome: 'revoked', tokens: { revoked: 2 } })
    t.equal(service.alive(), 0)
  }
})

t.test('a logout does not make a similar name log out its user', async (t) => {
  for (const [nameFolding, second] of [
    ['ascii', { outcome: 'no-matching-user', tokens: { revoked: 0 } }],
    ['unicode', { status: 'failed', error: AMBIGUOUS }],
  ] as const) {
    const service = await start(t, nameFolding)
    t.match(await service.revoke({ email: KATE }), { tokens: { revoked: 2 } })
    service.login()
    t.match(await service.revoke({ email: KELVIN }), second, nameFolding)
    t.equal(service.alive(), 1, 'she has logged in again')
  }
})

t.test('when looked up together, each name logs out its own user', async (t) => {
  for (const nameFolding of ['ascii', 'unicode'] as const) {
    const service = await start(t, nameFolding)
    service.sandbox.tenant.settings.latencyMs = 20
    const ann = service.userWithTokens(1, { email: 'ann@example.com' })
    const emails = [...Array.from({ length: 6 }, (_, index) => `nobody${index}@example.com`), KELVIN]
    const users = [...emails, KATE, 'KATE@example.com', ann.email].map((email) => ({ email }))
    const { json } = await service.call('POST', '/revocations', { body: { users } })
    const ended = await Promise.all(
      json.items.map(({ revocation }: { revocation: { id: string } }) => service.ended(revocation.id)),
    )
    t.match(ended[6], nameFolding === 'ascii' ? { outcome: 'no-matching-user' } : { error: AMBIGUOUS })
    t.equal(service.alive(), 0)
    t.equal(service.sandbox.tenant.tokensOf(ann.id).length, 0)
  }
})
