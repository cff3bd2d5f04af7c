import t from 'tap'
import { createDryRun } from '../../src/revocation/dry-run.ts'
import type { Listing } from '../../src/revocation/listing.ts'
import { prove } from '../../src/revocation/prove.ts'
import type { CallOptions, ClientPower, PowerOptions } from '../../src/revocation/qlik-tenant.ts'
import { CALL, openPool } from '../support/client-pool.ts'
import { fakeClock } from '../support/clock.ts'
import { qlikTenant } from '../support/qlik-tenant.ts'
import { AN_ORIGIN, aSignal } from '../support/signals.ts'

const OWN = { ownUserId: 'own', ownUserIds: new Set(['own']) }
const FULL = { power: 'proven', evidence: 'tenant-admin', scope: 'admin_classic', ...OWN } as const
const NARROW = { power: 'lacking', evidence: 'scope-too-narrow', scope: 'user_default', ...OWN } as const
const UNKNOWN = { power: 'unknown', evidence: 'not-reported', scope: 'admin_classic', ...OWN } as const

const EMPTY: Listing = {
  ...{
    beganAt: { wall: 0, monotonic: 0 },
    inScope: new Set(),
    kept: new Set(),
    undecided: 0,
    owners: new Set(),
  },
  ...{ pages: 1, listings: 1, clients: new Set(['a']), scopes: new Set(['admin_classic']), failure: null },
}

/** What a listing by client `a` proves, if these clients are open, the most powerful one first. */
function proveWith(powers: Record<string, Omit<ClientPower, 'client'>>, listing: Partial<Listing> = {}) {
  const powerOf = async ({ client }: PowerOptions) => {
    const name = client !== undefined && client in powers ? client : Object.keys(powers)[0]
    const power = powers[String(name)]
    if (!name || !power) throw new Error('no client')
    return { ...power, client: name }
  }
  const request = {
    listing: { ...EMPTY, ...listing },
    resolved: ['u1'],
    mustRecheck: false,
    usersExist: async () => true,
  }
  return prove(request, qlikTenant({ power: powerOf }), CALL)
}

t.test('the client that made the listing must have the power', async (t) => {
  t.match(await proveWith({ a: FULL, b: FULL }), { client: 'a', role: 'tenant-admin' })
  t.match(await proveWith({ b: FULL, a: FULL }), { client: 'a', role: 'tenant-admin' })
})

t.test('the power of another client does not count once the client that listed is closed', async (t) => {
  t.equal(await proveWith({ b: FULL }), null)
  t.equal(await proveWith({ b: UNKNOWN }), null)
})

t.test('a listing by a client with less power than another must be repeated', async (t) => {
  t.equal(await proveWith({ b: FULL, a: NARROW }, { scopes: new Set([NARROW.scope]) }), null)
  t.equal(await proveWith({ b: FULL, a: { ...FULL, power: 'lacking', evidence: 'role-missing' } }), null)
  t.equal(await proveWith({ b: FULL, a: UNKNOWN }), null)
  t.equal(await proveWith({ b: UNKNOWN, a: NARROW }, { scopes: new Set([NARROW.scope]) }), null)
})

t.test('if no client has more power, the evidence is reported, or the lack of it', async (t) => {
  t.match(await proveWith({ b: UNKNOWN, a: UNKNOWN }), { client: 'a', role: 'not-reported' })
  await t.rejects(proveWith({ a: NARROW }), { code: 'CURFEW_SCOPE_TOO_NARROW' })
  await t.rejects(proveWith({ b: NARROW, a: NARROW }), { code: 'CURFEW_SCOPE_TOO_NARROW' })
})

t.test('a client is closed between the listing and the check of its power', async (t) => {
  const { tenant, checked, clients, sandbox, reload, clock } = await openPool(t)
  await checked()
  const { id } = sandbox.tenant.addUser()
  const { client, scope } = await tenant.listTokens(id, null, CALL)
  const listing = { ...EMPTY, clients: new Set([client]), scopes: new Set([scope]) }
  const asked: CallOptions['client'][] = []
  const usersExist = async (_role: string, client: string) => {
    asked.push(client)
    return tenant.userExists(id, { ...CALL, client })
  }
  const request = { listing, resolved: [id], mustRecheck: false, usersExist }
  t.match(await prove(request, tenant, CALL), { client, userExists: true })
  t.same(asked, [client])
  reload(clients.filter(({ id }) => id !== client))
  clock.advance(10 * 60_000)
  t.equal(await prove(request, tenant, CALL), null)
})

t.test('a repeated listing leaves a client that has lost its scope, or is refused', async (t) => {
  for (const change of [{ grantedScope: 'user_default' }, { secrets: [] }]) {
    const { tenant, tokens, checked, clients, sandbox } = await openPool(t)
    await checked()
    tokens(1)
    const [a, b] = clients
    if (!a || !b) return
    const by = { ...CALL, preferredClient: a.id }
    t.equal((await tenant.listTokens('u1', null, by)).client, a.id)
    sandbox.tenant.changeClient(a.id, change)
    sandbox.tenant.expireAccessTokens(a.id)
    if (change.grantedScope) await tenant.power({ ...CALL, client: a.id, maxAgeMs: 0 })
    t.equal((await tenant.listTokens('u1', null, by)).client, b.id)
  }
})

t.test('in a dry run, the power of the client that listed decides what an empty list means', async (t) => {
  const powerOf: Record<string, Omit<ClientPower, 'client'>> = { a: FULL, b: FULL }
  for (const [isOpen, finding] of [
    [true, 'exists'],
    [false, 'none-visible'],
  ] as const) {
    const tenant = qlikTenant({
      power: async ({ client = 'b' }) => ({
        ...(powerOf[client] ?? FULL),
        client: isOpen ? client : 'b',
      }),
      clockOffset: () => null,
      findUsers: async () => ({ matches: [{ id: 'u1', value: 'ada' }], seesAll: true }),
      listTokens: async () => ({ tokens: [], next: null, scope: 'admin_classic', client: 'a' }),
    })
    const dryRun = createDryRun({
      tenants: { get: () => tenant },
      audit: { record: async () => {} },
      clock: fakeClock(),
    })
    const signal = aSignal({ user: { kind: 'subject', value: 'ada' } })
    t.match(await dryRun([signal], AN_ORIGIN), [{ finding }])
  }
})
