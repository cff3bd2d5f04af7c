import t from 'tap'
import { startService } from '../support/service.ts'

t.test('a logout by e-mail address ends with every token of that user revoked, and verified', async (t) => {
  const service = await startService(t)
  const ann = service.userWithTokens(3, { email: 'ann@example.com' })
  const ben = service.userWithTokens(2)
  const { status, headers, json } = await service.call('POST', '/logout-hook', { body: { email: 'ann@example.com' } })
  t.equal(status, 202)
  t.equal(headers.get('location'), `/revocations/${json.id}`)
  const ended = await service.ended(json.id)
  t.match(ended, {
    status: 'completed',
    outcome: 'revoked',
    verified: true,
    tokens: { found: 3, revoked: 3, alreadyGone: 0, kept: 0, remaining: 0 },
    attempts: 1,
    error: null,
  })
  t.equal(service.sandbox.tenant.tokensOf(ann.id).length, 0)
  t.equal(service.sandbox.tenant.tokensOf(ben.id).length, 2, 'nobody else is touched')
})
