import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import t from 'tap'
import { type KeySettings, readClientKey } from '../../src/base/client-key.ts'
import { ecPair } from '../support/client-keys.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey
const ec = ecPair('P-384').privateKey
const pem = (key: KeyObject, type: 'pkcs8' | 'pkcs1' | 'sec1') => String(key.export({ type, format: 'pem' }))
const jwk = (key: KeyObject, more: object = {}) =>
  JSON.stringify({ ...key.export({ format: 'jwk' }), ...more })
const read = (text: string, settings: KeySettings = {}) => readClientKey({ text, isExposed: false }, settings)

t.test('a key is read in every format and signs with the algorithm of its type', async (t) => {
  // The format of `openssl ecparam -genkey`.
  const parameters = '-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n'
  const cases: [name: string, text: string, key: KeyObject, algorithm: string][] = [
    ['RSA, PKCS#8', pem(rsa, 'pkcs8'), rsa, 'RS256'],
    ['RSA, PKCS#1', pem(rsa, 'pkcs1'), rsa, 'RS256'],
    ['RSA, JWK', jwk(rsa), rsa, 'RS256'],
    ['EC, PKCS#8', pem(ec, 'pkcs8'), ec, 'ES384'],
    ['EC, SEC1', pem(ec, 'sec1'), ec, 'ES384'],
    ['EC, SEC1 with parameters', parameters + pem(ec, 'sec1'), ec, 'ES384'],
    ['EC, JWK', jwk(ec), ec, 'ES384'],
    ['with line ends of Windows', pem(ec, 'pkcs8').replaceAll('\n', '\r\n'), ec, 'ES384'],
  ]
  for (const [name, text, key, algorithm] of cases) {
    const { key: found, mistake } = read(text)
    t.equal(mistake, null, name)
    t.same(found, { kind: 'key', algorithm, keyId: null, pkcs8: pem(key, 'pkcs8') }, name)
  }
})

t.test('algorithm and key id come from the configuration, else from the JWK', async (t) => {
  const cases: [name: string, text: string, settings: KeySettings, expected: object][] = [
    ['RSA', pem(rsa, 'pkcs8'), { algorithm: 'RS512', keyId: 'k1' }, { algorithm: 'RS512', keyId: 'k1' }],
    ['JWK', jwk(rsa, { alg: 'RS512', kid: 'k2' }), {}, { algorithm: 'RS512', keyId: 'k2' }],
    [
      'both',
      jwk(rsa, { alg: 'RS512', kid: 'k2' }),
      { algorithm: 'RS256', keyId: 'k1' },
      { algorithm: 'RS256', keyId: 'k1' },
    ],
  ]
  for (const [name, text, settings, expected] of cases) t.match(read(text, settings).key, expected, name)
})

t.test('any other key is rejected without quoting it', async (t) => {
  const noKey = /^expected a file that holds a private key \(PEM or JWK\) without a passphrase$/
  const kind = /^expected an RSA key, or an EC key on the curve P-384$/
  const weak = generateKeyPairSync('rsa', { modulusLength: 2_047 }).privateKey
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2_048 }).privateKey
  const locked = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'marker' } as const
  const cases: [name: string, text: string, settings: KeySettings, about: string, expected: RegExp][] = [
    ['empty', '', {}, 'file', noKey],
    ['text', 'marker', {}, 'file', noKey],
    [
      'a public key',
      String(ecPair('P-384').publicKey.export({ type: 'spki', format: 'pem' })),
      {},
      'file',
      noKey,
    ],
    ['a public JWK', jwk(ec, { d: undefined }), {}, 'file', noKey],
    ['with a passphrase', String(ec.export(locked)), {}, 'file', noKey],
    ['a symmetric JWK', JSON.stringify({ kty: 'oct', k: 'marker' }), {}, 'file', noKey],
    ['a JWK set', JSON.stringify({ keys: [JSON.parse(jwk(ec))] }), {}, 'file', noKey],
    ['broken JSON', '{ marker', {}, 'file', noKey],
    ['a name that is no text', jwk(ec, { kid: 7 }), {}, 'file', noKey],
    ['a weak RSA key', pem(weak, 'pkcs8'), {}, 'file', /^expected an RSA key of at least 2048 bits$/],
    ['a weak RSA key as JWK', jwk(weak), {}, 'file', /^expected an RSA key of at least 2048 bits$/],
    ['RSA-PSS', pem(pss, 'pkcs8'), {}, 'file', kind],
    ['P-256', pem(ecPair('P-256').privateKey, 'pkcs8'), {}, 'file', kind],
    ['P-521', pem(ecPair('P-521').privateKey, 'sec1'), {}, 'file', kind],
    ['Ed25519', pem(generateKeyPairSync('ed25519').privateKey, 'pkcs8'), {}, 'file', kind],
    [
      'RSA for ES384',
      pem(rsa, 'pkcs8'),
      { algorithm: 'ES384' },
      'algorithm',
      /^expected RS256 or RS512 for /,
    ],
    ['EC for RS256', pem(ec, 'pkcs8'), { algorithm: 'RS256' }, 'algorithm', /^expected ES384 for this key$/],
    ['a JWK for PS256', jwk(rsa, { alg: 'PS256' }), {}, 'file', /^expected RS256 or RS512 for this key$/],
  ]
  for (const [name, text, settings, about, expected] of cases) {
    const { key, mistake } = read(text, settings)
    t.equal(key, null, name)
    t.match(mistake, { about, expected }, name)
    t.notMatch(mistake?.expected, 'marker', name)
  }
  t.match(readClientKey(null, {}), {
    mistake: { about: 'file', expected: 'expected the path of a readable file that others cannot write' },
  })
})
