/**
 * Where an issuer's document is. OpenID Connect Discovery 1.0, section 4, puts it behind the issuer's path; the Shared
 * Signals Framework 1.0 between host and path.
 */
export function wellKnownAddress(issuer: string, name: string): string {
  const base = issuer.replace(/\/$/, '')
  if (name !== 'ssf-configuration') return `${base}/.well-known/${name}`
  const { origin } = new URL(issuer)
  return `${origin}/.well-known/${name}${base.slice(origin.length)}`
}
