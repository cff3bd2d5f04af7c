import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { PublicKey } from './client-assertion.ts'

/** The credentials of a client. */
export interface ClientCredentials {
  /** The secret that the client was created with, or the first of several. */
  secret: string
  /** All valid secrets. A test adds and removes secrets like an administrator. */
  secrets: string[]
  /** All valid public keys. */
  publicKeys: PublicKey[]
}

/** Qlik's limit. Source: https://qlik.dev/authenticate/oauth/ */
export const MAX_SECRETS = 5

const Secrets = z.array(z.string().min(1)).max(MAX_SECRETS, `A client can have up to ${MAX_SECRETS} secrets`)

/** Schemas of the two lists, for creating and changing a client. */
export const CREDENTIAL_LISTS = { secrets: Secrets.optional(), publicKeys: z.array(PublicKey).optional() }

/**
 * The credentials of a new client. Without `secrets`, `secret` is the only one; it is random by default. Throws if there are
 * more than 5 secrets, or a public key that Qlik does not accept.
 */
export function newCredentials({
  secret,
  secrets,
  publicKeys,
}: Partial<ClientCredentials>): ClientCredentials {
  const all = Secrets.parse(secrets ?? [secret ?? randomBytes(32).toString('hex')])
  return { secret: all[0] ?? '', secrets: all, publicKeys: z.array(PublicKey).parse(publicKeys ?? []) }
}
