import t from 'tap'
import { discoverKeys, wellKnownAddress } from '../../../src/sources/token/well-known.ts'

t.test('OpenID appends the document to the path, Shared Signals inserts it before', async (t) => {
  const path = '/.well-known/ssf-configuration'
  const table: [issuer: string, openid: string, ssf: string][] = [
    ['https://a.example', 'https://a.example/.well-known/openid-configuration', `https://a.example${path}`],
    ['https://a.example/', 'https://a.example/.well-known/openid-configuration', `https://a.example${path}`],
    [
      'https://a.example/t/1',
      'https://a.example/t/1/.well-known/openid-configuration',
      `https://a.example${path}/t/1`,
    ],
  ]
  for (const [issuer, openid, ssf] of table) {
    t.equal(wellKnownAddress(issuer, 'openid-configuration'), openid)
    t.equal(wellKnownAddress(issuer, 'ssf-configuration'), ssf)
  }
})

t.test('a discovery document that is not accepted is explained with both addresses', async (t) => {
  const issuer = 'https://a.example'
  const reject = (document: object, message: string) =>
    t.rejects(
      discoverKeys(issuer, 'openid-configuration', async () => ({
        issuer,
        jwks_uri: `${issuer}/jwks`,
        ...document,
      })),
      { code: 'CURFEW_FETCH_FAILED', message },
    )
  await reject(
    { issuer: `${issuer}/` },
    'The discovery document has another issuer: "https://a.example/", not "https://a.example".',
  )
  await reject(
    { jwks_uri: 'https://b.example/jwks' },
    'The keys are at another host: "https://b.example/jwks". If it is the right one, set jwksUri.',
  )
})
