import type { Test } from 'tap'
import { startIssuer } from './issuer.ts'
import type { ServiceOptions } from './service.ts'
import { startWithSources } from './source-service.ts'

export const PATH = '/sources/okta/global-token-revocation'
/** The URL as configured at Okta, without a query. */
const ENDPOINT = `https://curfew.example.com${PATH}`
export const ADA = 'ada@example.com'
const CLIENT = '0oa1example'
let serial = 0

/** The real service, called as Okta's Universal Logout does, with a token as Okta documents it. */
export async function startGlobalTokenRevocation(t: Test, source: object = {}, options: ServiceOptions = {}) {
  const issuer = await startIssuer(t, { typ: 'global-token-revocation+jwt' })
  const entry = {
    kind: 'global-token-revocation',
    name: 'okta',
    issuer: issuer.url,
    audience: ENDPOINT,
    senderSubject: CLIENT,
    ...source,
  }
  const service = await startWithSources(t, [entry], options)
  const claims = (different: object = {}) => {
    serial += 1
    const now = Math.floor((options.clock ?? Date).now() / 1000)
    return {
      iss: issuer.url,
      sub: CLIENT,
      aud: ENDPOINT,
      jti: `jti-${serial}`,
      iat: now,
      nbf: now - 300,
      exp: now + 300,
      ...different,
    }
  }
  const post = async (
    body: unknown,
    { token, headers = {} }: { token?: string; headers?: Record<string, string> } = {},
  ) =>
    service.call('POST', PATH, {
      body,
      headers: { authorization: `Bearer ${token ?? (await issuer.sign(claims()))}`, ...headers },
    })
  return { issuer, service, claims, post }
}

export const byEmail = (email: string) => ({ sub_id: { format: 'email', email } })
