import { randomUUID } from 'node:crypto'
import { isSecureAddress } from '../base/config-formats.ts'
import type { SourceEntry } from '../base/source-entry.ts'
import { CommandError } from '../cli/command-error.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { type Issuer, JWKS, openIssuer } from '../sandbox/identity-provider/issuer.ts'
import { issuerKey } from '../sandbox/identity-provider/signing-key.ts'
import { wellKnownAddress } from '../sources/token/well-known.ts'

/** Example of an address that `try` can serve. */
const EXAMPLE = 'http://127.0.0.1:4850/jwks'

/**
 * Plays the issuer of a source, with a key of its own: serves its keys where Curfew looks for them. That is possible only on
 * loopback, and only if nothing else listens there.
 * @throws CommandError that says what to configure
 */
export async function playIssuer({ name, kind, ...entry }: SourceEntry): Promise<Issuer> {
  const { issuer = '', jwksUri } = entry as { issuer?: string; jwksUri?: string }
  const address = jwksUri ?? issuer
  if (!isSecureAddress(address) || new URL(address).protocol !== 'http:')
    throw new CommandError(
      `Only the issuer can sign a valid request for ${name}. Send forgeries with --forged, or log out at the issuer. To let this command sign one, set "jwksUri": "${EXAMPLE}" in the entry of a Curfew for tests, never of one in production: any program on its machine could then log users out.`,
      EXIT.usage,
    )
  const { hostname, port, pathname, origin } = new URL(address)
  const played = await openIssuer({
    // An unknown kid makes Curfew fetch the keys.
    key: await issuerKey(randomUUID()),
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || 80),
  }).catch((error) => {
    const reason =
      error.code === 'EADDRINUSE' ? 'another program, perhaps the issuer, listens there' : error.message
    throw new CommandError(`The keys of ${name} cannot be served at ${origin}: ${reason}.`, EXIT.unavailable)
  })
  if (jwksUri !== undefined) played.answerJson(pathname, { keys: played.keys })
  else {
    const document = kind === 'shared-signals' ? 'ssf-configuration' : 'openid-configuration'
    const discovery = new URL(wellKnownAddress(issuer, document)).pathname
    played.answerJson(discovery, { issuer, jwks_uri: `${origin}${JWKS}` })
  }
  return { ...played, url: issuer }
}
