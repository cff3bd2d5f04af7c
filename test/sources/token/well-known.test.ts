import t from 'tap'
import { wellKnownAddress } from '../../../src/sources/token/well-known.ts'

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
