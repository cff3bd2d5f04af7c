import fc from 'fast-check'
import t from 'tap'
import { startService } from '../support/service.ts'

const ROUTES = ['/logout-hook', '/users/u1/revoke-all', '/revocations']
/** Random input alone may not produce a valid one. */
const GOOD: [path: string, body: string] = ['/logout-hook', '{"userId":"u1"}']
const SAMPLE = { numRuns: 150, examples: [GOOD] }

/** An almost valid body, which gets further than random input. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 520 }),
  fc.constantFrom('u1', 'a@b', 'all', 'logout'),
)
const value = fc.oneof({ weight: 3, arbitrary: text }, { weight: 1, arbitrary: fc.jsonValue() })
const user = fc.record({ userId: value, subject: value, email: value }, { requiredKeys: [] })
const details = fc.record(
  {
    tenant: fc.oneof(fc.constant('default'), value),
    reason: fc.oneof(fc.constantFrom('logout', 'security', 'session-expired'), value),
    scope: fc.oneof(fc.constantFrom('all', 'issued-before'), value),
    occurredAt: fc.oneof(
      fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
      value,
    ),
    deviceType: value,
  },
  { requiredKeys: [] },
)
const nearly = fc.oneof(
  fc.tuple(user, details).map(([one, more]) => ({ ...one, ...more })),
  fc
    .tuple(fc.array(fc.oneof(user, fc.jsonValue()), { maxLength: 3 }), details)
    .map(([users, more]) => ({ users, ...more })),
  details,
)
const body = fc.oneof(
  nearly.map((json) => JSON.stringify(json)),
  fc.json({ maxDepth: 5 }),
  fc.string(),
)

t.test('no body causes a server error, and only a 202 response stores something', async (t) => {
  const { call } = await startService(t)
  const stored = async () => (await call('GET', '/revocations?limit=1000')).json.items.length
  const seen = new Set<number>()
  let before = await stored()
  const property = fc.asyncProperty(fc.constantFrom(...ROUTES), body, async (path, sent) => {
    const reply = await call('POST', path, { body: sent, headers: { 'content-type': 'application/json' } })
    seen.add(reply.status)
    const after = await stored()
    const isStored = after > before
    before = after
    if (reply.status === 202) return reply.headers.get('content-type') === 'application/json; charset=utf-8'
    const isProblem = reply.headers.get('content-type') === 'application/problem+json'
    return reply.status === 400 && isProblem && !isStored && reply.json.status === 400
  })
  await fc.assert(property, SAMPLE)
  t.ok(before < 1_000, 'all that was stored was seen')
  t.same([...seen].sort(), [202, 400], 'both kinds of answers were met')
})
