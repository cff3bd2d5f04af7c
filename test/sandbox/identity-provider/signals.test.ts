import t from 'tap'
import { parts } from '../../../src/parts.ts'
import { KINDS } from '../../../src/sandbox/identity-provider/order.ts'
import { POLLED } from '../../../src/sandbox/identity-provider/source-entries.ts'
import { nothingStored } from '../../support/problems.ts'
import { tryService } from './open-identity-provider.ts'

t.jobs = 1
const pushed = (name: unknown) => name !== POLLED

t.test('there is a source and a signal for every kind', async (t) => {
  const kinds = parts.sources.flatMap<string>((part) => part.kinds)
  t.same([...KINDS].sort(), kinds.sort())
})

for (const kind of KINDS) {
  t.test(`${kind}: a valid signal revokes the user's tokens`, async (t) => {
    const { service, ann, send } = await tryService(t, pushed)
    const result = await send({ kind })
    t.match(result, { outcome: 'accepted', why: /stored/, status: /^20[024]$/, forgery: null, user: ann })
    const [revocation] = await service.stored()
    t.match(revocation, { source: kind })
    t.match(await service.settled(revocation.id), { status: 'completed', tokens: { revoked: 3 } })
    t.same(service.sandbox.tenant.tokensOf(ann.userId), [])
  })

  t.test(`${kind}: each forgery is rejected with a reason, and nothing is stored`, async (t) => {
    const { service, provider, send } = await tryService(t, pushed)
    const { forgeries = [] } = (await provider.kinds()).find((one) => one.kind === kind) ?? {}
    t.ok(forgeries.length >= 7, forgeries.join())
    for (const forgery of forgeries) {
      const { outcome, status, why } = await send({ kind, forgery })
      // A token with an unknown key may be tried again; Node rejects a token that is too long for a header.
      const expected = /kid|key/.test(forgery) ? /^(rejected|unavailable)$/ : 'rejected'
      t.match(outcome, expected, `${forgery}: ${why}`)
      if (status !== 431) t.match(why, /^\w+: .{8}/, forgery)
    }
    await nothingStored(t, service)
    t.match(await send({ kind }), { outcome: 'accepted' }, 'the valid one is still accepted')
  })
}

t.test('signals are different each time, and name the user that is asked for', async (t) => {
  const { provider, service } = await tryService(t, (name) => name === 'clerk')
  const order = { kind: 'clerk', delivery: 'push', curfew: service.url } as const
  for (const subject of ['idp|ben', 'idp|ben', 'idp|cleo'])
    await provider.send(order, { userId: 'x', subject, email: null })
  t.match(await service.counts(), { 'clerk accepted': 3 })
  const users = (await service.stored()).map(({ user }) => user.subject)
  t.same([...new Set(users)].sort(), ['idp|ben', 'idp|cleo'])
})

t.test('claims, the header, the session and the body can be changed', async (t) => {
  const { service, send } = await tryService(t, pushed)
  const kind = 'oidc-back-channel-logout'
  t.match(await send({ kind, claims: { exp: null } }), { outcome: 'rejected', why: /exp/ })
  t.match(await send({ kind, header: { typ: 'at+jwt' } }), { outcome: 'rejected', why: /typ/ })
  t.match(await send({ kind, header: { typ: null } }), { outcome: 'accepted' })
  t.match(await send({ kind, claims: { sub: null }, session: 's1' }), { outcome: 'rejected', why: /sid/ })
  const body = { type: 'session.created', object: 'event' }
  const before = (await service.stored()).length
  t.match(await send({ kind: 'clerk', body }), { outcome: 'accepted', sent: { body: JSON.stringify(body) } })
  t.equal((await service.stored()).length, before)
  t.match(await service.counts(), { 'clerk ignored': 1 })
})

t.test('a source that Curfew does not have is explained, in each protocol', async (t) => {
  const { send } = await tryService(t, () => false)
  for (const kind of KINDS) {
    const result = await send({ kind, source: 'mine' })
    t.match(result, { outcome: 'rejected', status: 404, source: 'mine', why: /no source mine .*CONFIG_FILE/ })
  }
})

t.test('without Curfew, there is an explanation, too', async (t) => {
  const { send } = await tryService(t, () => false)
  const result = await send({ kind: 'clerk', curfew: 'http://127.0.0.1:1' })
  t.match(result, { outcome: 'unavailable', status: null, why: /no answer from http:\/\/127\.0\.0\.1:1/ })
})

t.test('an order that makes no sense is rejected', async (t) => {
  const { send } = await tryService(t, () => false)
  await t.rejects(send({ kind: 'clerk', forgery: 'alg-none' }), /no forgery alg-none.*another-secret/)
  await t.rejects(send({ kind: 'clerk', delivery: 'poll' }), /shared-signals/)
  await t.rejects(send({ kind: 'clerk', claims: {} }), /webhook/)
  await t.rejects(send({ kind: 'shared-signals', body: {} }), /claims/)
  await t.rejects(async () => send({ kind: 'unknown' }), /kind/)
})
