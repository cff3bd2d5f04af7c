import t, { type Test } from 'tap'
import { forgeries } from '../../../src/sandbox/identity-provider/token-forgeries.ts'
import { TOKEN_KINDS } from '../../../src/sandbox/identity-provider/token-kinds.ts'
import { fakeClock } from '../../support/clock.ts'
import { isDeferred } from '../../support/deferred-key.ts'
import { ADA, byEmail, startGlobalTokenRevocation } from '../../support/global-token-revocation.ts'
import { nothingStored } from '../../support/problems.ts'

async function start(t: Test) {
  const clock = fakeClock()
  const started = await startGlobalTokenRevocation(t, {}, { clock })
  started.service.sandbox.tenant.addUser({ email: ADA })
  return { clock, ...started }
}

t.test('every forged token is rejected: 401, and nothing is stored', async (t) => {
  const { issuer, service, claims, post } = await start(t)
  const good = claims()
  const all = await forgeries(issuer, good, TOKEN_KINDS['global-token-revocation'])
  const more: [string, object, RegExp][] = [
    ['of another sender', { sub: 'other' }, /sub/],
    ['good for more than a day', { exp: good.iat + 90_000 }, /exp/],
    ['a jti without end', { jti: 'x'.repeat(300) }, /jti/],
    ['an event, as a security event token has', { events: {} }, /events/],
  ]
  for (const [name, different, says] of more)
    all.push({ name, token: await issuer.sign({ ...good, ...different }), fault: 'claims', says })
  for (const { name, token, fault, says } of all) {
    const reply = await post(byEmail(ADA), { token })
    if (fault === 'key' && isDeferred(t, reply, name)) continue
    if (token.length > 16 * 1024) {
      t.equal(reply.status, 431, 'Node takes no header that long')
      continue
    }
    t.equal(reply.status, 401, name)
    t.match(reply.headers.get('www-authenticate'), /^Bearer error="invalid_token"/, name)
    t.same(Object.keys(reply.json), ['error', 'error_description'], name)
    t.match(reply.json.error_description, says, name)
  }
  await nothingStored(t, service)
  const token = await issuer.sign(good)
  t.equal((await post(byEmail(ADA), { token })).status, 204, 'the valid one is still accepted')
})

t.test('a token is accepted once while it is valid, also with fractions of a second', async (t) => {
  const { clock, issuer, service, claims, post } = await start(t)
  service.sandbox.tenant.addUser({ email: 'grace@example.com' })
  const token = await issuer.sign(claims({ exp: claims().iat + 1_800.0005 }))
  t.equal((await post(byEmail(ADA), { token })).status, 204)
  clock.advance(1_830_000)
  const other = await post(byEmail('grace@example.com'), { token })
  t.equal(other.status, 401, 'used for another subject, within the tolerance of its exp')
  t.equal((await service.stored()).length, 1)
})

t.test('a deeply nested subject does no harm', async (t) => {
  const { post } = await start(t)
  const deep = `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`
  const body = `{"sub_id":{"format":"email","email":"${ADA}","more":${deep}}}`
  t.equal((await post(body)).status, 204)
})
