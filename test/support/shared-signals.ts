import type { JWTPayload } from 'jose'
import type { Test } from 'tap'
import {
  type ForgedFault,
  type Forgery,
  forgeries,
} from '../../src/sandbox/identity-provider/token-forgeries.ts'
import { CAEP, TOKEN_KINDS } from '../../src/sandbox/identity-provider/token-kinds.ts'
import { type Issuer, startIssuer } from './issuer.ts'
import type { ServiceOptions } from './service.ts'
import { startWithSources } from './source-service.ts'

export { CAEP, RISC, SSF } from '../../src/sandbox/identity-provider/token-kinds.ts'

export const AUDIENCE = 'https://curfew.example.com'
export const ADA = { format: 'email', email: 'ada@example.com' }

/** The RFC 8935 error code for each fault of a token. */
export const SET_ERROR: Record<ForgedFault, string> = {
  malformed: 'invalid_request',
  key: 'invalid_key',
  signature: 'invalid_key',
  issuer: 'invalid_issuer',
  audience: 'invalid_audience',
  time: 'invalid_request',
  claims: 'invalid_request',
}

/** Forgeries of a valid security event token. */
export function setForgeries(issuer: Issuer, claims: JWTPayload & { iat: number }): Promise<Forgery[]> {
  return forgeries(issuer, claims, TOKEN_KINDS['shared-signals'])
}

let serial = 0

/** The claims of a security event token according to the Shared Signals Framework 1.0. */
export function setClaims(
  issuer: string,
  now: number,
  {
    type = `${CAEP}session-revoked`,
    subject = ADA as unknown,
    event = {} as object,
    ...different
  }: SetOptions = {},
) {
  serial += 1
  const claims = {
    iss: issuer,
    aud: AUDIENCE,
    jti: `set-${serial}`,
    iat: Math.floor(now / 1000),
    events: { [type]: event },
  }
  return { ...claims, ...(subject === null ? {} : { sub_id: subject }), ...different }
}

export interface SetOptions {
  type?: string
  /** Null leaves it out. */
  subject?: unknown
  event?: object
  [claim: string]: unknown
}

/** Starts the real service, a transmitter that pushes security events to it, and a user with a token. */
export async function startPush(t: Test, source: object = {}, options: ServiceOptions = {}) {
  const transmitter = await startIssuer(t, { typ: 'secevent+jwt', wellKnown: 'ssf-configuration' })
  const entry = {
    kind: 'shared-signals',
    name: 'idp',
    issuer: transmitter.url,
    audience: AUDIENCE,
    ...source,
  }
  const service = await startWithSources(t, [entry], options)
  const now = () => (options.clock ?? Date).now()
  const claims = (different: SetOptions = {}) => setClaims(transmitter.url, now(), different)
  const pushToken = (token: string, headers: Record<string, string> = {}) =>
    service.call('POST', '/sources/idp/events', {
      body: token,
      headers: { authorization: '', 'content-type': 'application/secevent+jwt', ...headers },
    })
  return {
    transmitter,
    service,
    claims,
    pushToken,
    push: async (different: SetOptions = {}) => pushToken(await transmitter.sign(claims(different))),
    stored: service.stored,
  }
}
