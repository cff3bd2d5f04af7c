import t from 'tap'
import { ADA, byEmail, startGlobalTokenRevocation } from '../../support/global-token-revocation.ts'

const NOBODY = 'nobody@example.com'

t.test('a used token does not reveal whether a user exists', async (t) => {
  const { issuer, service, claims, post } = await startGlobalTokenRevocation(t)
  const { tenant } = service.sandbox
  tenant.addUser({ email: ADA })
  const known = 'known@example.com'
  tenant.addUser({ email: known })
  const lookups = () => tenant.calls.filter(({ route }) => route === 'users').length

  for (const [first, status] of [
    [ADA, 204],
    [NOBODY, 404],
  ] as const) {
    const token = await issuer.sign(claims())
    t.equal((await post(byEmail(first), { token })).status, status)
    const before = lookups()
    const [one, other] = [
      await post(byEmail(known), { token }),
      await post(byEmail('else@example.com'), { token }),
    ]
    t.same([one.status, other.status], [401, 401])
    t.same(one.json, other.json)
    t.equal(one.headers.get('www-authenticate'), other.headers.get('www-authenticate'))
    t.equal((await post(byEmail(first), { token })).status, status, 'the same request gets the same response')
    t.equal(lookups(), before, 'and nobody is looked up')
  }
})

t.test('a repeated request gets its response although the user was deleted since', async (t) => {
  const { issuer, service, claims, post } = await startGlobalTokenRevocation(t)
  const { id } = service.sandbox.tenant.addUser({ email: ADA })
  const token = await issuer.sign(claims())
  t.equal((await post(byEmail(ADA), { token })).status, 204)
  service.sandbox.tenant.users.delete(id)
  t.equal((await post(byEmail(ADA), { token })).status, 204)
})
