import t from 'tap'
import { issuerKey, signBy } from '../../src/sandbox/identity-provider/signing-key.ts'
import { caseOf } from './cases.ts'
import { faultsOf } from './judge.ts'
import { Random } from './random.ts'
import type { FuzzCase } from './request.ts'
import { fuzz } from './run.ts'
import { parseAnswer } from './send.ts'

t.test('a short run finds nothing', async (t) => {
  const comment = (line: string) => void t.comment(line)
  const { faults, statuses, rows, lines } = await fuzz({ seed: 11, requests: 2_000, report: comment })
  t.same(faults, [])
  for (const status of ['200', '202', '204', '400', '401', '403', '404', '413', '415', '431', 'reload 422'])
    t.ok(statuses[status], `some requests got ${status}`)
  t.ok(Number(rows.revocations) > 20, 'authenticated requests have effects')
  t.ok(Number(lines['a request was rejected']) > 0)
})

const post: FuzzCase = {
  ...{ kind: 'a test', isAuthentic: false, isRaw: false, bytes: Buffer.alloc(0) },
  ...{ method: 'POST', path: '/logout-hook' },
}
const problem = {
  ...{
    type: 'about:blank',
    title: 't',
    status: 401,
    detail: 'd',
    code: 'CURFEW_UNAUTHENTICATED',
    action: 'a',
  },
}
const answer = (status: number, body: object | string, headers: Record<string, string> = {}) => ({
  status,
  headers: { 'content-type': 'application/problem+json', ...headers },
  body: typeof body === 'string' ? body : JSON.stringify(body),
})

t.test('each kind of fault is found', async (t) => {
  t.same(faultsOf(post, [answer(401, problem)]), [])
  const limit = { ...problem, status: 503, code: 'CURFEW_OVERLOADED' }
  t.same(faultsOf(post, [answer(503, limit, { 'retry-after': '5' })]), [], 'a documented limit')
  const json = { 'content-type': 'application/json' }
  const source = { ...post, path: '/sources/op/backchannel-logout' }
  const refused = answer(400, { error: 'invalid_request', error_description: 'd' }, json)
  t.same(faultsOf(source, [refused]), [], "the source's protocol")
  for (const [faulty, text, one] of [
    [[], '0 responses', post],
    [[answer(500, { ...problem, status: 500, code: 'CURFEW_INTERNAL' })], 'status 500', post],
    [[answer(503, limit)], 'status 503', post],
    [
      [answer(503, { ...limit, code: 'CURFEW_STORE_UNAVAILABLE' }, { 'retry-after': '5' })],
      'status 503',
      post,
    ],
    [[answer(202, {})], 'status 202 without authentication', post],
    [[answer(404, problem)], /another form/, post],
    [[answer(400, '')], /another form/, post],
    [[refused], /another form/, post],
    [[answer(401, { ...problem, detail: 'at x (a.ts:1:2)' })], 'the error shows internals', post],
    [[answer(Number.NaN, '')], 'no valid status', { ...post, isAuthentic: true }],
  ] as const)
    t.match(faultsOf(one, faulty), [text])
})

t.test('the same seed and number make the same request', async (t) => {
  const key = await issuerKey('k1')
  const sign = (claims: object, header: object = {}) =>
    signBy(new Uint8Array(32), claims, { ...header, alg: 'HS256' })
  const known = {
    issuer: { url: 'http://127.0.0.1:1', key, sign },
    apiKeys: ['a', 'b'] as const,
    expiredKey: 'c',
    webhookSecrets: [`whsec_${Buffer.alloc(32).toString('base64')}`],
    configuration: { apiKeys: [] },
  }
  // The others contain times, random ids and signatures.
  const isStable = /path|api|configuration/
  const seen = new Set<string>()
  for (let number = 0; number < 300; number += 1) {
    const [one, again] = [await caseOf(7, number, known), await caseOf(7, number, known)]
    if (isStable.test(one.kind)) t.same(one, again)
    seen.add(one.kind)
  }
  t.ok(seen.size > 15)
  t.not(new Random(1, 0).next(), new Random(1, 1).next())
  t.not(new Random(1, 0).next(), new Random(2, 0).next())
})

t.test('responses are read to their end', async (t) => {
  const text = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 2\r\nA: b: c\r\n\r\n{}HTTP'
  const parsed = parseAnswer(Buffer.from(text), 'GET')
  t.match(parsed, { answer: { status: 401, headers: { a: 'b: c' }, body: '{}' }, length: text.length - 4 })
  t.equal(parseAnswer(Buffer.from(text.slice(0, -6)), 'GET'), null)
  t.match(parseAnswer(Buffer.from(text), 'HEAD'), { answer: { status: 401, body: '' } })
})
