import type { Variables } from './read-environment.ts'

const EXPECTED =
  'expected sslmode=verify-full for a server beyond loopback, or DATABASE_INSECURE=true if the network is private'

/**
 * What is wrong with a PostgreSQL URL whose connections can be read or intercepted; null if nothing is. Follows pg 8,
 * where each `sslmode` but `disable` and `no-verify` verifies the server, unless `uselibpqcompat=true`. `prefer` and
 * `allow` are rejected although pg 8 verifies the server with them: PostgreSQL's own clients do not, and pg 9 will not.
 * @param environment pg uses PGSSLMODE for a URL without TLS parameters, and PGHOST for one without a host
 */
export function databaseMistake(databaseUrl: string, { PGHOST, PGSSLMODE }: Variables): string | null {
  if (!/^postgres(ql)?:/.test(databaseUrl) || !URL.canParse(databaseUrl)) return null
  const { hostname, searchParams } = new URL(databaseUrl)
  // Of repeated parameters, pg uses the last.
  const parameters = Object.fromEntries(searchParams)
  const host = parameters.host || decodeURIComponent(hostname) || PGHOST || 'localhost'
  return isLocal(host) || isVerified(parameters, PGSSLMODE) ? null : EXPECTED
}

const VERIFIED = new Set(['require', 'verify-ca', 'verify-full'])

function isVerified(
  { ssl, sslmode, sslcert, sslkey, sslrootcert, sslnegotiation, uselibpqcompat }: Record<string, string>,
  mode: string | undefined,
): boolean {
  if (sslmode) {
    if (uselibpqcompat !== 'true') return VERIFIED.has(sslmode)
    return sslmode === 'verify-full' || (VERIFIED.has(sslmode) && Boolean(sslrootcert))
  }
  if (sslcert || sslkey || sslrootcert) return true
  if (ssl !== undefined) return ssl === 'true' || ssl === '1'
  return sslnegotiation === 'direct' || VERIFIED.has(mode ?? '')
}

function isLocal(host: string): boolean {
  return host.startsWith('/') || /^(localhost|\[?::1\]?|127(\.\d{1,3}){3})$/i.test(host)
}
