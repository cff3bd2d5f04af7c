import { randomUUID } from 'node:crypto'
import type { Clock } from '../../src/base/clock.ts'
import {
  type SignedRequest,
  TOKEN_KIND_NAMES,
  TOKEN_KINDS,
} from '../../src/sandbox/identity-provider/token-kinds.ts'
import { VENDORS, type Vendor } from '../../src/sandbox/identity-provider/vendors.ts'
import type { Issuer } from './issuer.ts'
import { ADA, AUDIENCE } from './shared-signals.ts'

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

const PERSON = { userId: 'u1', subject: 'u1', email: ADA.email }

/** The kinds that use tokens, all of one issuer and for one audience. */
export function tokenPlayers(issuer: Issuer, clock: Pick<Clock, 'now'> = Date): TokenPlayer[] {
  return TOKEN_KIND_NAMES.map((kind) => {
    const { path, typ, answer, refusal, ...token } = TOKEN_KINDS[kind]
    const send = (text: string) => token.request(text, PERSON, issuer.url)
    const claims = () =>
      token.claims({
        issuer: issuer.url,
        audience: AUDIENCE,
        jti: randomUUID(),
        iat: Math.floor(clock.now() / 1000),
        person: PERSON,
      })
    return {
      ...{ kind, typ, answer, refusal, claims, send },
      path: `/sources/${kind}/${path}`,
      entry: { name: kind, kind, issuer: issuer.url, jwksUri: issuer.jwksUri, audience: AUDIENCE },
      sign: async () => send(await issuer.sign(claims(), { typ })),
    }
  })
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
