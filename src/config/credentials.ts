import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { type ClientKey, KEY_ALGORITHMS, readClientKey } from '../base/client-key.ts'
import { FORMATS } from '../base/config-formats.ts'
import { EXPOSED, readKeyFile, type SecretFile } from '../base/secret-file.ts'
import type { ValueSchemas } from '../base/source-entry.ts'
import type { ClientCredential, ClientCredentials } from '../qlik/tenant-config.ts'
import type { Given, Mistake } from './read-environment.ts'

/**
 * A rotation has an old and a new credential. Qlik allows up to 5 secrets, but more than two would only hide which one is in
 * use, and each rejected one costs one of the 500 calls of tier 2.
 */
const MAX_CREDENTIALS = 2

/** The members for a client's credentials in CONFIG_FILE. Exactly one of them is required. */
export const CREDENTIAL_WAYS = [
  'clientSecret',
  'clientSecretFile',
  'clientSecrets',
  'clientSecretFiles',
  'privateKeys',
] as const

/** The members of `CREDENTIAL_WAYS`, for the schema of CONFIG_FILE. */
export function credentialMembers(
  { inline, fromFile }: ValueSchemas,
  readKey: (path: string) => SecretFile | null,
) {
  const privateKey = z
    .strictObject({
      keyFile: z.string().describe('Path of the key file: PEM or JWK'),
      keyId: z
        .string()
        .min(1)
        .optional()
        .describe('`kid` of the key at Qlik. Defaults to the `kid` of the JWK, or none'),
      algorithm: z
        .enum(KEY_ALGORITHMS)
        .optional()
        .describe('Signature algorithm. Defaults to the `alg` of the JWK, or RS256 (RSA) and ES384 (P-384)'),
    })
    .transform(({ keyFile, ...settings }, context) => {
      const file = readKey(keyFile)
      const { key, mistake } = readClientKey(file, settings)
      if (key) return { key, isExposed: file?.isExposed === true }
      const path = [mistake.about === 'file' ? 'keyFile' : 'algorithm']
      context.addIssue({ code: 'custom', path, message: mistake.expected })
      return z.NEVER
    })
  const oneOrTwo = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(MAX_CREDENTIALS).optional()
  const secret = inline(FORMATS.text)
  const secretFile = fromFile(FORMATS.text)
  return {
    clientSecret: secret.optional().describe(`The client's secret, or \${NAME}`),
    clientSecretFile: secretFile.optional().describe("Path of a file with the client's secret"),
    clientSecrets: oneOrTwo(secret).describe('During a rotation, both secrets, the new one first'),
    clientSecretFiles: oneOrTwo(secretFile).describe(
      'During a rotation, the paths of both secret files, the new one first',
    ),
    privateKeys: oneOrTwo(privateKey).describe(
      "The client's private key (private_key_jwt); two during a rotation, the new one first",
    ),
  }
}

/** An entry of CONFIG_FILE as the schema returns it. */
export interface CredentialEntry {
  clientSecret?: string | undefined
  clientSecretFile?: string | undefined
  clientSecrets?: string[] | undefined
  clientSecretFiles?: string[] | undefined
  privateKeys?: { key: ClientKey; isExposed: boolean }[] | undefined
}

/** The entry's credentials in the order of use; null if it has none. */
export function entryCredentials(entry: CredentialEntry): ClientCredentials | null {
  const { clientSecret, clientSecretFile, clientSecrets, clientSecretFiles, privateKeys } = entry
  if (privateKeys) return distinct(privateKeys.map(({ key }) => key))
  const one = clientSecret ?? clientSecretFile
  return distinct((one === undefined ? (clientSecrets ?? clientSecretFiles ?? []) : [one]).map(toSecret))
}

const toSecret = (secret: string): ClientCredential => ({ kind: 'secret', secret })

/** A duplicate is dropped: rejected, it would cost a second call. */
function distinct(all: readonly ClientCredential[]): ClientCredentials | null {
  const [first, ...others] = all
  return first ? [first, ...others.filter((one) => !isDeepStrictEqual(one, first))] : null
}

/** The credentials of the environment's own tenant. */
export interface OwnCredentials {
  /** Null if there are no valid ones. */
  credentials: ClientCredentials | null
  mistakes: Mistake[]
  warnings: Mistake[]
}

const OWN_SECRETS = ['QLIK_CLIENT_SECRET', 'QLIK_CLIENT_SECRET_PREVIOUS'] as const
const OWN_KEYS = ['QLIK_CLIENT_KEY', 'QLIK_CLIENT_KEY_PREVIOUS'] as const

/** Keys of the environment that require another key. */
const REQUIRES: readonly [key: string, other: string][] = [
  ['QLIK_CLIENT_SECRET_PREVIOUS', 'QLIK_CLIENT_SECRET'],
  ['QLIK_CLIENT_KEY_PREVIOUS_FILE', 'QLIK_CLIENT_KEY_FILE'],
  ...OWN_KEYS.flatMap((key): [string, string][] => [
    [`${key}_ID`, `${key}_FILE`],
    [`${key}_ALG`, `${key}_FILE`],
  ]),
]

/**
 * Reads the credentials of the environment's own tenant and reports every mistake. An empty previous secret or key file
 * counts as not set, so that it can stay configured between rotations.
 * @param isReported whether a mistake in this key is already reported
 */
export function ownCredentials(given: Given, isReported: (key: string) => boolean): OwnCredentials {
  const keys = OWN_KEYS.map((key) => readOwnKey(key, given))
  const secrets = OWN_SECRETS.flatMap((key) => (given[key] ? [toSecret(given[key])] : []))
  const mistakes = keys.flatMap(({ mistake }) => mistake ?? [])
  if (given.QLIK_CLIENT_SECRET !== undefined && given.QLIK_CLIENT_KEY_FILE !== undefined) {
    const expected = 'expected QLIK_CLIENT_SECRET or QLIK_CLIENT_KEY_FILE, not both'
    mistakes.push({ key: 'QLIK_CLIENT_KEY_FILE', expected })
  }
  for (const [key, other] of REQUIRES) {
    if (given[key] && given[other] === undefined && !isReported(other))
      mistakes.push({ key, expected: `expected ${other} to be set as well` })
  }
  return {
    credentials: distinct([...secrets, ...keys.flatMap(({ key }) => key ?? [])]),
    mistakes,
    warnings: keys.flatMap(({ warning }) => warning ?? []),
  }
}

interface OwnKey {
  key?: ClientKey
  mistake?: Mistake
  warning?: Mistake
}

function readOwnKey(name: (typeof OWN_KEYS)[number], given: Given): OwnKey {
  const path = given[`${name}_FILE`]
  if (path === undefined) return {}
  const file = readKeyFile(path)
  if (file?.text === '' && name === 'QLIK_CLIENT_KEY_PREVIOUS') return {}
  // The schema of the environment reports an unknown algorithm.
  const algorithm = z.enum(KEY_ALGORITHMS).optional().catch(undefined).parse(given[`${name}_ALG`])
  const { key, mistake } = readClientKey(file, { keyId: given[`${name}_ID`], algorithm })
  if (mistake) {
    const member = mistake.about === 'file' ? 'FILE' : 'ALG'
    return { mistake: { key: `${name}_${member}`, expected: mistake.expected } }
  }
  return { key, ...(file?.isExposed ? { warning: { key: `${name}_FILE`, expected: EXPOSED } } : {}) }
}
