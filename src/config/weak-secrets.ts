import { createPublicKey } from 'node:crypto'
import { split } from '../base/config-formats.ts'
import { pointer } from '../base/json-pointer.ts'
import { publicKeyDigest } from '../base/public-key-digest.ts'
import type { Environment } from './environment.ts'
import type { Mistake } from './read-environment.ts'
import type { ConfigFile } from './schema.ts'

export const PUBLISHED = 'expected your own secret; this one is published in the documentation'
export const PUBLISHED_KEY =
  'expected your own key; this one is published. Create one with: openssl genpkey -algorithm ed25519'
export const TRIVIAL = 'expected a random secret; this one repeats a single byte'

/** Secrets of the guides, and of the specification of Standard Webhooks; `deploy/demo-secrets` has the prefix. */
const KNOWN = new Set([
  'sandbox-secret',
  'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  'whsec_Y3VyZmV3IGRlbW8gb25seTogd29ydGhsZXNzIGVsc2V3aGVyZQ==',
])
const DEMO = /demo-only-/

/** A demo key for AUDIT_SIGNING_KEY that is public, by the `key` that the audit trail shows. */
const PUBLISHED_SIGNING_KEY = '73541f5fd12e0c934cde5b8d4c479246245040efb315cc45cbab24b9f3ab9377'

/** Secrets that authenticate senders are at least this long. Qlik and other services choose their own. */
const SHORTEST = 16

/** Members of a source that contain a secret. */
const SECRET_MEMBER = /secret|authorization|token$|key$/i

type Secrets = Pick<
  Environment,
  | 'API_KEYS'
  | 'WEBHOOK_SECRETS'
  | 'AUDIT_SIGNING_KEY'
  | 'DATABASE_URL'
  | 'QLIK_TENANT_URL'
  | 'QLIK_CLIENT_SECRET'
  | 'QLIK_CLIENT_SECRET_PREVIOUS'
>

/**
 * Finds secrets that anyone can know or guess. With http tenants, which are sandboxes on loopback, every secret is
 * accepted: the demo uses published ones.
 */
export function weakSecrets(values: Secrets, file: ConfigFile): Mistake[] {
  const urls = [values.QLIK_TENANT_URL ?? '', ...file.tenants.map(({ url }) => url)]
  if (!urls.some((url) => url.startsWith('https:'))) return []
  const mistakes: Mistake[] = []
  const check = (key: string, ...secrets: (string | undefined)[]) => {
    const expected = secrets.map((secret) => (secret ? weaknessOf(secret) : null)).find((one) => one !== null)
    if (expected) mistakes.push({ key, expected })
  }
  const inFile = (...path: PropertyKey[]) => `CONFIG_FILE ${pointer(path)}`
  check('API_KEYS', ...split(values.API_KEYS))
  check('WEBHOOK_SECRETS', ...split(values.WEBHOOK_SECRETS))
  check('QLIK_CLIENT_SECRET', values.QLIK_CLIENT_SECRET)
  check('QLIK_CLIENT_SECRET_PREVIOUS', values.QLIK_CLIENT_SECRET_PREVIOUS)
  if (DEMO.test(values.DATABASE_URL)) mistakes.push({ key: 'DATABASE_URL', expected: PUBLISHED })
  if (isPublishedSigningKey(values.AUDIT_SIGNING_KEY))
    mistakes.push({ key: 'AUDIT_SIGNING_KEY', expected: PUBLISHED_KEY })
  for (const [index, { key, keyFile }] of file.apiKeys.entries())
    check(inFile('apiKeys', index), key, keyFile)
  for (const [index, { secret, secretFile }] of file.webhookSecrets.entries())
    check(inFile('webhookSecrets', index), secret, secretFile)
  for (const [list, entries] of [
    ['clients', Object.entries(file.clients)],
    ['tenants', [...file.tenants.entries()]],
    ['sources', [...file.sources.entries()]],
    ['receivers', [...file.receivers.entries()]],
  ] as const)
    for (const [name, entry] of entries) check(inFile(list, name), ...secretsIn(entry))
  return mistakes
}

/** @param pem an Ed25519 private key */
function isPublishedSigningKey(pem: string | undefined): boolean {
  if (pem === undefined) return false
  return publicKeyDigest(createPublicKey(pem)) === PUBLISHED_SIGNING_KEY
}

function secretsIn(value: unknown, isSecret = false): string[] {
  if (typeof value === 'string') return isSecret ? [value] : []
  if (Array.isArray(value)) return value.flatMap((item) => secretsIn(item, isSecret))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, member]) => secretsIn(member, SECRET_MEMBER.test(name)))
}

function weaknessOf(secret: string): string | null {
  if (KNOWN.has(secret) || DEMO.test(secret)) return PUBLISHED
  if (secret.length < SHORTEST) return null
  const [, base64] = /(?:^|,)whsec_(.+)$/.exec(secret) ?? []
  const bytes = base64 === undefined ? Buffer.from(secret) : Buffer.from(base64, 'base64')
  return bytes.every((byte) => byte === bytes[0]) ? TRIVIAL : null
}
