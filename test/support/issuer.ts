import type { Test } from 'tap'
import { type Issuer, type IssuerOptions, openIssuer } from '../../src/sandbox/identity-provider/issuer.ts'

export { DISCOVERY, type Issuer, JWKS } from '../../src/sandbox/identity-provider/issuer.ts'
export { type IssuerKey, issuerKey, sign, unsigned } from '../../src/sandbox/identity-provider/signing-key.ts'

/** An issuer that closes with the test. */
export async function startIssuer(t: Pick<Test, 'teardown'>, options: IssuerOptions = {}): Promise<Issuer> {
  const issuer = await openIssuer(options)
  t.teardown(issuer.close)
  return issuer
}
