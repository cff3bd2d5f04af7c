import { exportJWK, exportPKCS8 } from 'jose'
import t from 'tap'
import { issuerKey } from '../support/issuer.ts'
import { isRefusal, startLogoutService, usersOf } from '../support/logout-service.ts'
import { tokenLibraries } from './token-libraries.ts'

for (const { name, algorithms, missing: skip, sign } of tokenLibraries) {
  t.test(`logout tokens that ${name} signs are accepted`, { skip }, async (t) => {
    for (const alg of algorithms) {
      const key = await issuerKey('k1', alg)
      const service = await startLogoutService(t, { key })
      const token = sign({
        jwk: { ...(await exportJWK(key.privateKey)), kid: key.kid },
        pem: await exportPKCS8(key.privateKey),
        header: { alg, typ: 'logout+jwt', kid: key.kid },
        claims: service.claims({ sub: 'Zoë' }),
      })
      const reply = await service.logout(token)
      t.equal(reply.status, 200, `${alg}: ${reply.text}`)
      t.same(await usersOf(service), [{ subject: 'Zoë' }], alg)
      const [header, claims, signature = ''] = token.split('.')
      const changed = [header, claims, `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`].join(
        '.',
      )
      isRefusal(t, await service.logout(changed), 400, 'invalid_request', /signature/, `${alg}, changed`)
    }
  })
}
