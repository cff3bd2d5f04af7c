import { generateKeyPairSync } from 'node:crypto'
import { errors, exportJWK, type JWK } from 'jose'
import t, { type Test } from 'tap'
import { createFetchJson, type FetchJson } from '../../../src/sources/token/fetch-json.ts'
import {
  COOLDOWN_MS,
  FAILURE_COOLDOWN_MS,
  FRESH_FOR_MS,
  KeySet,
  type KeySetOptions,
  LONGEST_WAIT_MS,
  VALID_FOR_MS,
} from '../../../src/sources/token/key-set.ts'
import { discoverKeys } from '../../../src/sources/token/well-known.ts'
import { fakeClock } from '../../support/clock.ts'
import { rejection } from '../../support/events.ts'
import { DISCOVERY, issuerKey, JWKS, sign, startIssuer } from '../../support/issuer.ts'

const UNAVAILABLE = { code: 'CURFEW_KEYS_UNAVAILABLE', retryAfterSeconds: 5 }
const DEFERRED = { code: 'CURFEW_KEY_LOOKUP_DEFERRED' }
const token = { payload: '', signature: '' }
const first = await issuerKey('first')
const second = await issuerKey('second')
const third = await issuerKey('third')

/** The keys of an issuer on loopback, and a clock that stands still. */
async function keySet(t: Test, different: Partial<KeySetOptions> = {}) {
  const issuer = await startIssuer(t, { key: first })
  const clock = fakeClock()
  const { fetchJson, close } = createFetchJson()
  t.teardown(close)
  const address = () => discoverKeys(issuer.url, 'openid-configuration', fetchJson)
  const keys = new KeySet({ address, fetchJson, clock, ...different })
  return {
    issuer,
    clock,
    keys,
    /** Resolves if the key set finds the key. */
    find: async (kid?: string, alg = 'ES256') =>
      keys.find({ alg, ...(kid === undefined ? {} : { kid }) }, token),
  }
}

/** Responds to calls on demand; `called` resolves with the first one. */
function slowFetch() {
  const { promise: called, resolve } = Promise.withResolvers<void>()
  const asked: ((body: unknown) => void)[] = []
  const fetchJson: FetchJson = () =>
    new Promise((end) => {
      asked.push(end)
      resolve()
    })
  return { asked, called, fetchJson }
}

t.test('a key is found by discovery, with one fetch', async (t) => {
  const { find, issuer } = await keySet(t)
  const found = await Promise.all([find('first'), find('first'), find('first')])
  for (const key of found) t.match(key, { type: 'public' })
  await find('first')
  t.same([issuer.asked(DISCOVERY), issuer.asked(JWKS)], [1, 1])
})

t.test('a configured address is used without discovery, and may be on another host', async (t) => {
  const other = await startIssuer(t, { key: second })
  const { find, issuer } = await keySet(t, { address: async () => other.jwksUri })
  await find('second')
  t.same([issuer.asked(DISCOVERY), other.asked(JWKS)], [0, 1])
})

t.test('an unknown kid causes one fetch per cooldown, and is found after a rotation', async (t) => {
  const { find, issuer, clock } = await keySet(t)
  await find('first')
  issuer.keys = [second.jwk]
  for (let index = 0; index < 50; index += 1)
    t.match(await rejection(find(`unknown-${index}`)), { ...DEFERRED, retryAfterSeconds: 30 })
  clock.advance(20_500)
  t.match(await rejection(find('second')), { ...DEFERRED, retryAfterSeconds: 10 })
  t.equal(issuer.asked(JWKS), 1, 'within the cooldown')
  clock.advance(COOLDOWN_MS)
  const [unknown] = await Promise.all([rejection(find('other-0')), rejection(find('other-1'))])
  t.ok(unknown instanceof errors.JWKSNoMatchingKey, 'the keys were fetched after the token arrived')
  t.equal(issuer.asked(JWKS), 2)
  await find('second')
  t.match(await rejection(find('first')), DEFERRED, 'the old one is not accepted')
  t.equal(issuer.asked(JWKS), 2)
})

t.test('without a kid, the only key for the algorithm is used; of several, none', async (t) => {
  const { find, issuer, clock } = await keySet(t)
  await find(undefined)
  issuer.keys = [first.jwk, second.jwk]
  clock.advance(FRESH_FOR_MS + 1)
  await t.rejects(find(undefined), errors.JWKSMultipleMatchingKeys)
  await t.rejects(find(undefined, 'RS256'), DEFERRED)
  await t.rejects(find('first', 'RS256'), errors.JWKSNoMatchingKey, 'it is published, for another algorithm')
  t.equal(issuer.asked(JWKS), 2, 'another fetch would not help')
})

t.test('a withdrawn key is valid for ten minutes and no longer', async (t) => {
  const { find, issuer, clock } = await keySet(t)
  await find('first')
  issuer.keys = [second.jwk]
  clock.advance(FRESH_FOR_MS)
  await find('first')
  clock.advance(1)
  await t.rejects(find('first'), errors.JWKSNoMatchingKey)
  await find('second')
})

t.test('while the issuer is unavailable, its keys stay valid for a day and no longer', async (t) => {
  const { find, issuer, clock } = await keySet(t)
  await find('first')
  issuer.answer(DISCOVERY, (_, response) => response.writeHead(503).end())
  clock.advance(VALID_FOR_MS)
  await find('first')
  clock.advance(1)
  t.match(await rejection(find('first')), UNAVAILABLE)
  issuer.answer(DISCOVERY, null)
  clock.advance(FAILURE_COOLDOWN_MS)
  await find('first')
})

t.test('after a failure, keys are fetched again after 5 s, not sooner', async (t) => {
  const { find, issuer, clock } = await keySet(t)
  issuer.answer(JWKS, (_, response) => response.writeHead(500).end())
  for (let index = 0; index < 20; index += 1)
    t.match(await rejection(find('first')), { ...UNAVAILABLE, cause: { code: 'CURFEW_FETCH_FAILED' } })
  t.equal(issuer.asked(JWKS), 1)
  issuer.answer(JWKS, null)
  clock.advance(FAILURE_COOLDOWN_MS - 1)
  await t.rejects(find('first'), UNAVAILABLE)
  clock.advance(1)
  await find('first')
  t.equal(issuer.asked(JWKS), 2)
})

t.test('no token waits longer than 2 s; keys that arrive later are used for the next one', async (t) => {
  const { fetchJson, asked, called } = slowFetch()
  const { find, clock } = await keySet(t, { fetchJson, address: async () => 'https://op.example/keys' })
  const waiting = Promise.all([rejection(find('first')), rejection(find('first'))])
  await called
  t.equal(asked.length, 1, 'one fetch for all waiting tokens')
  clock.advance(LONGEST_WAIT_MS)
  for (const error of await waiting) t.match(error, UNAVAILABLE)
  const next = find('first')
  asked[0]?.({ keys: [first.jwk] })
  t.match(await next, { type: 'public' })
  t.equal(asked.length, 1)
  t.equal(clock.untilNextTimer(), null, 'no timer is left')
})

t.test('a fetch in the background is shared, and starts no cooldown', async (t) => {
  const { find, issuer, keys } = await keySet(t)
  await Promise.all([keys.prefetch(), find('first'), keys.prefetch()])
  await keys.prefetch()
  t.equal(issuer.asked(JWKS), 1)
  issuer.keys = [second.jwk]
  await find('second')
  t.equal(issuer.asked(JWKS), 2)
  t.match(await rejection(find('third')), DEFERRED)
})

t.test('a fetch in the background that fails is retried by the next token', async (t) => {
  const { find, issuer, keys } = await keySet(t)
  issuer.answer(JWKS, (_, response) => response.writeHead(500).end())
  await t.rejects(keys.prefetch(), { code: 'CURFEW_FETCH_FAILED' })
  issuer.answer(JWKS, null)
  await find('first')
})

t.test('keys that were requested before a token arrived may be older than its key', async (t) => {
  const { fetchJson, asked, called } = slowFetch()
  const { keys, find } = await keySet(t, { fetchJson, address: async () => 'https://op.example/keys' })
  const background = keys.prefetch()
  await called
  const found = find('second')
  asked[0]?.({ keys: [first.jwk] })
  await background
  while (asked.length < 2) await new Promise(setImmediate)
  asked[1]?.({ keys: [second.jwk] })
  t.match(await found, { type: 'public' })
})

t.test('without a kid, the only key may have been replaced', async (t) => {
  const { issuer, keys, clock } = await keySet(t)
  const bySecond = () => sign(second, { sub: 'u1' }, { kid: undefined })
  await keys.verify(await sign(first, { sub: 'u1' }, { kid: undefined }), {})
  issuer.keys = [second.jwk]
  t.match(await rejection(keys.verify(await bySecond(), {})), DEFERRED)
  clock.advance(COOLDOWN_MS)
  t.match(await keys.verify(await bySecond(), {}), { payload: { sub: 'u1' } })
  clock.advance(COOLDOWN_MS)
  const forged = await rejection(keys.verify(await sign(third, {}, { kid: undefined }), {}))
  t.ok(forged instanceof errors.JWSSignatureVerificationFailed, 'fetched again, and still unknown')
  const named = await rejection(keys.verify(await sign(third, {}, { kid: 'second' }), {}))
  t.ok(named instanceof errors.JWSSignatureVerificationFailed, 'it names its key')
})

t.test('an invalid key set is rejected', async (t) => {
  const flood = Array.from({ length: 10_000 }, (_, index) => ({ ...first.jwk, kid: `k${index}` }))
  const wrong: [name: string, body: string][] = [
    ['HTML', '<html></html>'],
    ['no list', '{"keys":{}}'],
    ['keys that are none', '{"keys":[null,5]}'],
    ['10,000 keys', JSON.stringify({ keys: flood.map(({ kid }) => ({ kty: 'EC', kid })) })],
    ['too many bytes', JSON.stringify({ keys: [first.jwk], padding: 'x'.repeat(600 * 1024) })],
    ['nothing', ''],
  ]
  for (const [name, body] of wrong) {
    const { find, issuer } = await keySet(t)
    issuer.answer(JWKS, (_, response) => response.end(body))
    t.match(await rejection(find('first')), UNAVAILABLE, name)
  }
})

t.test('a slow body is aborted', async (t) => {
  const { find, issuer } = await keySet(t)
  let cut = () => {}
  const isCut = new Promise<void>((resolve) => {
    cut = resolve
  })
  issuer.answer(JWKS, (_, response) => {
    const timer = setInterval(() => response.write(' '), 100)
    response.on('close', () => {
      clearInterval(timer)
      cut()
    })
  })
  await t.rejects(find('first'), UNAVAILABLE)
  await isCut
})

t.test('redirects are not followed, neither of discovery nor of the keys', async (t) => {
  const other = await startIssuer(t, { key: first })
  for (const path of [DISCOVERY, JWKS]) {
    const { find, issuer } = await keySet(t)
    for (const status of [301, 302, 307, 308]) {
      issuer.answer(path, (_, response) =>
        response.writeHead(status, { location: `${other.url}${path}` }).end(),
      )
      t.match(await rejection(find('first')), UNAVAILABLE, `${path} ${status}`)
    }
  }
  t.same([other.asked(DISCOVERY), other.asked(JWKS)], [0, 0])
})

t.test('discovery accepts only keys of this issuer at its own host', async (t) => {
  const other = await startIssuer(t, { key: first })
  const { find, issuer, clock } = await keySet(t)
  for (const [issuerName, address] of [
    [issuer.url, other.jwksUri],
    [other.url, issuer.jwksUri],
    [`${issuer.url}/`, issuer.jwksUri],
    [issuer.url, 'http://op.example/jwks'],
    [issuer.url, 'file:///etc/passwd'],
    [issuer.url, issuer.jwksUri.replace('//', '//user:word@')],
    [issuer.url, 5],
  ]) {
    issuer.answerJson(DISCOVERY, { issuer: issuerName, jwks_uri: address })
    t.match(await rejection(find('first')), UNAVAILABLE, `${issuerName} ${address}`)
    clock.advance(FAILURE_COOLDOWN_MS)
  }
  t.same([other.asked(JWKS), issuer.asked(JWKS)], [0, 0])
})

t.test('public, private and weak keys are not accepted', async (t) => {
  const rsa = (bits: number, publicExponent = 0x10001) =>
    exportJWK(generateKeyPairSync('rsa', { modulusLength: bits, publicExponent }).publicKey)
  const good = { ...(await rsa(2048)), kid: 'good' }
  const wrong: Record<string, JWK> = {
    weak: await rsa(1024),
    private: await exportJWK(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
    'by 1': { ...good, e: 'AQ' },
    'by 0': { ...good, e: '' },
    'by much': { ...good, e: `AQ${'A'.repeat(20)}B` },
    endless: { ...good, n: Buffer.alloc(1025, 255).toString('base64url') },
    padded: { ...good, n: Buffer.concat([Buffer.alloc(200), Buffer.alloc(128, 255)]).toString('base64url') },
    symmetric: { kty: 'oct', k: 'c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0' },
    other: { kty: 'AKP' },
    encryption: { ...good, use: 'enc' },
  }
  const { find, issuer } = await keySet(t)
  issuer.keys = [good, ...Object.entries(wrong).map(([kid, jwk]) => ({ ...jwk, kid }))]
  await find('good', 'RS256')
  for (const kid of Object.keys(wrong))
    t.ok((await rejection(find(kid, 'RS256'))) instanceof errors.JWKSNoMatchingKey, kid)
})

t.test('a failed fetch keeps the known keys', async (t) => {
  const { find, issuer, clock } = await keySet(t)
  await find('first')
  clock.advance(COOLDOWN_MS)
  issuer.answer(JWKS, (_, response) => response.destroy())
  await t.rejects(find('third'), UNAVAILABLE, 'it may be a new one: to be asked again')
  await t.rejects(find('third'), UNAVAILABLE, 'also within the cooldown')
  await find('first')
  issuer.answer(JWKS, null)
  issuer.keys = [third.jwk]
  clock.advance(FAILURE_COOLDOWN_MS)
  await find('third')
})
