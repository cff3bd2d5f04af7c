import t from 'tap'
import type { ErrorCode } from '../../src/base/errors.ts'
import { isProblem, nothingStored } from '../support/problems.ts'
import { API_KEY, startService } from '../support/service.ts'
import { signed } from '../support/webhook.ts'

const KIB_64 = 64 * 1024
const GOOD = '{"userId":"u1"}'

/** A body, its defect, and the content type if that is the defect. */
const BODIES: [name: string, body: string | Uint8Array, code: ErrorCode, type?: string][] = [
  ['not JSON', 'userId=u1', 'CURFEW_BODY_UNREADABLE'],
  ['JSON that breaks off', '{"userId":"u1"', 'CURFEW_BODY_UNREADABLE'],
  ['two JSON values', `${GOOD}${GOOD}`, 'CURFEW_BODY_UNREADABLE'],
  ['a raw control character', '{"userId":"a\nb"}', 'CURFEW_BODY_UNREADABLE'],
  ['a number that is none', '{"userId":NaN}', 'CURFEW_BODY_UNREADABLE'],
  ['white space', ' \n', 'CURFEW_BODY_UNREADABLE'],
  ['a zero byte', '\u0000', 'CURFEW_BODY_UNREADABLE'],
  ['broken nesting', '['.repeat(60_000), 'CURFEW_BODY_UNREADABLE'],
  ['invalid UTF-8', Buffer.from('{"userId":"\xff"}', 'latin1'), 'CURFEW_BODY_UNREADABLE'],
  ['UTF-8 that breaks off', Buffer.from('{"userId":"\xe7\x95"}', 'latin1'), 'CURFEW_BODY_UNREADABLE'],
  ['a surrogate in UTF-8', Buffer.from('{"userId":"\xed\xa0\x80"}', 'latin1'), 'CURFEW_BODY_UNREADABLE'],
  ['UTF-16', Buffer.from(GOOD, 'utf16le'), 'CURFEW_BODY_UNREADABLE'],
  ['__proto__', '{"__proto__":{"userId":"u1"}}', 'CURFEW_BODY_UNREADABLE'],
  ['__proto__ beside a user', '{"userId":"u1","__proto__":{}}', 'CURFEW_BODY_UNREADABLE'],
  ['__proto__, escaped', '{"userId":"u1","\\u005f_proto__":{}}', 'CURFEW_BODY_UNREADABLE'],
  ['constructor.prototype', '{"userId":"u1","constructor":{"prototype":{}}}', 'CURFEW_BODY_UNREADABLE'],
  [
    '__proto__ far inside',
    `${'{"a":'.repeat(9_000)}{"__proto__":1}${'}'.repeat(9_000)}`,
    'CURFEW_BODY_UNREADABLE',
  ],
  ['one byte too large', GOOD.padEnd(KIB_64 + 1), 'CURFEW_BODY_TOO_LARGE'],
  ['much too large', GOOD.padEnd(2 * 1024 * 1024), 'CURFEW_BODY_TOO_LARGE'],
  ['a form', 'userId=u1', 'CURFEW_MEDIA_TYPE', 'application/x-www-form-urlencoded'],
  ['text', GOOD, 'CURFEW_MEDIA_TYPE', 'text/plain'],
  ['nearly JSON', GOOD, 'CURFEW_MEDIA_TYPE', 'application/jsonp'],
  ['JSON of another kind', GOOD, 'CURFEW_MEDIA_TYPE', 'application/ld+json'],
  ['JSON as a multipart', GOOD, 'CURFEW_MEDIA_TYPE', 'multipart/form-data; boundary=application/json'],
]

t.test('an unreadable body is rejected, and nothing is stored', async (t) => {
  const service = await startService(t)
  for (const [name, body, code, type = 'application/json'] of BODIES) {
    const proofs = [{ authorization: `Bearer ${API_KEY}` }, signed(Buffer.from(body))]
    for (const proof of proofs) {
      t.comment(name)
      const headers = { 'content-type': type, ...proof }
      isProblem(t, await service.call('POST', '/logout-hook', { headers, body }), code)
    }
    if (name !== 'much too large' || code !== 'CURFEW_BODY_TOO_LARGE') continue
    isProblem(t, await service.call('POST', '/users/u1/revoke-all', { body }), code)
    isProblem(t, await service.call('POST', '/revocations', { body }), code)
  }
  await nothingStored(t, service)
})

t.test('a body without a valid content type is rejected', async (t) => {
  const service = await startService(t)
  const { url } = service
  for (const type of [undefined, '', '///', 'json']) {
    const headers: Record<string, string> = { authorization: `Bearer ${API_KEY}` }
    if (type !== undefined) headers['content-type'] = type
    // As bytes, so that fetch does not add a content type.
    const response = await fetch(`${url}/logout-hook`, { method: 'POST', headers, body: Buffer.from(GOOD) })
    t.equal(response.status, 415, `${type}`)
    t.match(await response.json(), { code: 'CURFEW_MEDIA_TYPE' })
  }
  await nothingStored(t, service)
})

t.test('a body at the size limit, in chunks, or with a byte order mark is accepted', async (t) => {
  const { call, url } = await startService(t)
  t.equal((await call('POST', '/logout-hook', { body: GOOD.padEnd(KIB_64) })).status, 202)
  t.equal((await call('POST', '/logout-hook', { body: Buffer.from(`\ufeff${GOOD}`) })).status, 202)
  const post = (chunks: string[]) =>
    fetch(`${url}/logout-hook`, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'APPLICATION/JSON ; charset=utf-8' },
      body: ReadableStream.from(chunks.map((chunk) => Buffer.from(chunk))),
      duplex: 'half',
    })
  t.equal((await post(GOOD.split(''))).status, 202)
  t.equal((await post([GOOD.padEnd(KIB_64), ' '])).status, 413)
})
