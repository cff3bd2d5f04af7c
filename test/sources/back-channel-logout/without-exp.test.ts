import t from 'tap'
import { fakeClock } from '../../support/clock.ts'
import { CLIENT, isRefusal, startLogoutService, usersOf } from '../../support/logout-service.ts'
import { nothingStored } from '../../support/problems.ts'

const WITHOUT_EXP = { exp: undefined }

t.test('a token without exp is rejected by default, and the error names the option', async (t) => {
  const service = await startLogoutService(t)
  const reply = await service.logout(await service.token(WITHOUT_EXP))
  isRefusal(t, reply, 400, 'invalid_request', /exp is missing.*maxTokenAgeSeconds/, 'without exp')
  await nothingStored(t, service)
})

t.test('with maxTokenAgeSeconds, a token without exp is valid by its iat, once', async (t) => {
  const clock = fakeClock()
  const service = await startLogoutService(t, { clock, entry: { maxTokenAgeSeconds: 120 } })
  const now = Math.floor(clock.now() / 1000)
  const token = await service.token(WITHOUT_EXP)
  const atLimit = await service.token({ ...WITHOUT_EXP, iat: now - 120 })
  t.equal((await service.logout(token)).status, 200)
  t.equal((await service.logout(atLimit)).status, 200)
  // 120 s, and 60 s for clocks that differ.
  clock.advance(179_000)
  isRefusal(t, await service.logout(token), 400, 'invalid_request', /jti/, 'repeated as long as it is valid')
  isRefusal(t, await service.logout(atLimit), 400, 'invalid_request', /older than 120 s/, 'too old')
  clock.advance(2_000)
  isRefusal(t, await service.logout(token), 400, 'invalid_request', /older than 120 s/, 'no longer valid')
  t.same(await service.counts(), { 'op accepted': 2, 'op replayed': 1, 'op rejected': 2 })
})

t.test('maxTokenAgeSeconds relaxes no other check', async (t) => {
  const clock = fakeClock()
  const service = await startLogoutService(t, { clock, entry: { maxTokenAgeSeconds: 120 } })
  const now = Math.floor(clock.now() / 1000)
  for (const [name, different, description] of [
    ['no iat', { iat: undefined }, /iat/],
    ['iat is text', { iat: `${now}` }, /iat/],
    ['issued in the future', { iat: now + 61 }, /future/],
    ['no jti', { jti: undefined }, /jti/],
    ['a nonce', { nonce: 'n' }, /nonce/],
    ['another issuer', { iss: 'https://other.example' }, /iss/],
    ['another audience', { aud: 'other' }, /aud/],
    ['exp is null', { exp: null }, /exp/],
    ['exp is text', { exp: `${now + 60}` }, /exp/],
    ['expired', { exp: now - 61 }, /exp/],
  ] as const) {
    const reply = await service.logout(await service.token({ ...WITHOUT_EXP, ...different }))
    isRefusal(t, reply, 400, 'invalid_request', description, name)
  }
  await nothingStored(t, service)
  t.equal((await service.logout(await service.token())).status, 200, 'with exp, as usual')
})

t.test('maxTokenAgeSeconds is limited', async (t) => {
  const service = await startLogoutService(t)
  for (const maxTokenAgeSeconds of [0, -1, 1.5, 3_601, '120', null]) {
    const { status } = await service.configure([service.entry({ maxTokenAgeSeconds })])
    t.equal(status, 422, String(maxTokenAgeSeconds))
  }
  t.equal((await service.configure([service.entry({ maxTokenAgeSeconds: 3_600 })])).status, 200)
})

t.test(
  "Ory Hydra's tokens, with a sid and without sub and exp, find the user of a recorded session",
  async (t) => {
    const entry = { user: { as: 'email' }, maxTokenAgeSeconds: 120 }
    const service = await startLogoutService(t, { entry })
    const token = (sid: string) =>
      service.token({ ...WITHOUT_EXP, sub: undefined, sid, aud: [CLIENT] }, { typ: 'JWT' })
    await service.call('PUT', '/sessions', { body: { sid: 's1', email: 'ann@example.com', ttlSeconds: 60 } })
    t.equal((await service.logout(await token('s1'))).status, 200)
    isRefusal(t, await service.logout(await token('s2')), 400, 'invalid_request', /session/, 'not recorded')
    t.same(await usersOf(service), [{ email: 'ann@example.com' }])
  },
)
