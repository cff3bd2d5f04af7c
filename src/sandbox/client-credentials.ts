import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { PublicKey } from './client-assertion.ts'

/** What proves a client. */
export interface ClientCredentials {
  /** The secret that it was made with, or the first of them. */
  secret: string
  /** All secrets that prove it now. A test adds and removes some as an administrator does. */
  secrets: string[]
  /** The keys whose assertions prove it now, likewise. */
  publicKeys: PublicKey[]
}

/** Qlik's bound. Source: https://qlik.dev/authenticate/oauth/ */
export const SECRETS_AT_MOST = 5

const Secrets = z
  .array(z.string().min(1))
  .max(SECRETS_AT_MOST, `A client has at most ${SECRETS_AT_MOST} secrets`)

/** The forms of the two lists, as a client is made and changed by. */
export const CREDENTIAL_LISTS = { secrets: Secrets.optional(), publicKeys: z.array(PublicKey).optional() }

/**
 * The credentials of a new client: `secret` alone where no list of them is given, which by default is a random one. Throws
 * when there are more than 5 secrets, or a public key that Qlik would not take.
 */
export function newCredentials({
  secret,
  secrets,
  publicKeys,
}: Partial<ClientCredentials>): ClientCredentials {
  const all = Secrets.parse(secrets ?? [secret ?? randomBytes(32).toString('hex')])
  return { secret: all[0] ?? '', secrets: all, publicKeys: z.array(PublicKey).parse(publicKeys ?? []) }
}
