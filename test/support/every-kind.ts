import { randomUUID } from 'node:crypto'
import type { Clock } from '../../src/base/clock.ts'
import { VENDORS, type Vendor } from '../../src/sandbox/identity-provider/vendors.ts'
import type { Issuer } from './issuer.ts'
import { EVENT } from './logout-service.ts'
import { ADA, AUDIENCE, setClaims } from './shared-signals.ts'

export interface SignedRequest {
  body: string
  headers: Record<string, string>
}

/** A kind of source in tests: its entry and a valid request. */
export interface Player {
  kind: string
  /** Its entry in CONFIG_FILE, named after its kind. */
  entry: object
  path: string
  /** A valid request, different each time. */
  sign: () => Promise<SignedRequest>
  /** The status once the signal is durable. */
  answer: number
}

/** A kind whose requests carry a token of an issuer. */
export interface TokenPlayer extends Player {
  typ: string
  /** The claims of a valid token, different each time. */
  claims: () => object
  /** A request with this token. */
  send: (token: string) => SignedRequest
  /** The status if the token is rejected. */
  refusal: number
}

/** The kinds that use tokens, all of one issuer and for one audience. */
export function tokenPlayers(issuer: Issuer, clock: Pick<Clock, 'now'> = Date): TokenPlayer[] {
  const lasting = () => {
    const iat = Math.floor(clock.now() / 1000)
    return { iss: issuer.url, aud: AUDIENCE, jti: randomUUID(), iat, exp: iat + 120, sub: 'u1' }
  }
  const kinds: Omit<TokenPlayer, 'entry' | 'sign'>[] = [
    {
      kind: 'oidc-back-channel-logout',
      path: '/sources/oidc-back-channel-logout/backchannel-logout',
      typ: 'logout+jwt',
      claims: () => ({ ...lasting(), events: { [EVENT]: {} } }),
      send: (token) => ({
        body: new URLSearchParams({ logout_token: token }).toString(),
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
      answer: 200,
      refusal: 400,
    },
    {
      kind: 'global-token-revocation',
      path: '/sources/global-token-revocation/global-token-revocation',
      typ: 'global-token-revocation+jwt',
      claims: lasting,
      send: (token) => ({
        body: JSON.stringify({ sub_id: ADA }),
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      }),
      answer: 204,
      refusal: 401,
    },
    {
      kind: 'shared-signals',
      path: '/sources/shared-signals/events',
      typ: 'secevent+jwt',
      claims: () => ({ ...setClaims(issuer.url, clock.now()), jti: randomUUID() }),
      send: (token) => ({ body: token, headers: { 'content-type': 'application/secevent+jwt' } }),
      answer: 202,
      refusal: 400,
    },
  ]
  return kinds.map((player) => ({
    ...player,
    entry: {
      ...{ name: player.kind, kind: player.kind, issuer: issuer.url },
      ...{ jwksUri: issuer.jwksUri, audience: AUDIENCE },
    },
    sign: async () => player.send(await issuer.sign(player.claims(), { typ: player.typ })),
  }))
}

function vendorPlayer({ kind, secret, entry = {}, sample, sign, answer }: Vendor): Player {
  return {
    kind,
    entry: { name: kind, kind, secret, ...entry },
    path: `/sources/${kind}/webhook`,
    async sign() {
      const body = JSON.stringify(sample(randomUUID()))
      const proof = await sign(body, { secret, at: Date.now() })
      return { body, headers: { 'content-type': 'application/json', ...proof } }
    },
    answer,
  }
}

/** Every kind of source. */
export function everyKind(issuer: Issuer): Player[] {
  return [...tokenPlayers(issuer), ...VENDORS.map(vendorPlayer)]
}
