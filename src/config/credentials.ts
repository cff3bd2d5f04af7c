import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { type ClientKey, KEY_ALGORITHMS, readClientKey } from '../base/client-key.ts'
import { FORMS } from '../base/config-forms.ts'
import { type KeyFile, readKeyFile } from '../base/secret-file.ts'
import type { ValueForms } from '../base/source-entry.ts'
import type { ClientCredential, ClientCredentials } from '../qlik/tenant-config.ts'
import type { Given, Mistake } from './environment.ts'

/**
 * A rotation has an old and a new one. Qlik allows up to 5 secrets; more than two would only hide which one is in use, and
 * each that is refused costs one of the 500 calls of Tier 2.
 */
const CREDENTIALS_AT_MOST = 2

export const EXPOSED = 'expected a file that not every user of the machine can read'

/** The members that hold the credentials of a client in CONFIG_FILE: exactly one of them must be given. */
export const CREDENTIAL_WAYS = [
  'clientSecret',
  'clientSecretFile',
  'clientSecrets',
  'clientSecretFiles',
  'privateKeys',
] as const

/** The members of `CREDENTIAL_WAYS`, for the schema of CONFIG_FILE. */
export function credentialMembers({ given, inFile }: ValueForms, readKey: (path: string) => KeyFile | null) {
  const privateKey = z
    .strictObject({
      keyFile: z.string().describe('Path of a file that holds the key: PEM or JWK'),
      keyId: z.string().min(1).optional().describe('Its `kid` at Qlik; by default that of the JWK, or none'),
      algorithm: z
        .enum(KEY_ALGORITHMS)
        .optional()
        .describe('How it signs; by default as the JWK says, else RS256 or, by a key on P-384, ES384'),
    })
    .transform(({ keyFile, ...settings }, context) => {
      const file = readKey(keyFile)
      const { key, mistake } = readClientKey(file, settings)
      if (key) return { key, isExposed: file?.isExposed === true }
      const path = [mistake.about === 'file' ? 'keyFile' : 'algorithm']
      context.addIssue({ code: 'custom', path, message: mistake.expected })
      return z.NEVER
    })
  const oneOrTwo = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(CREDENTIALS_AT_MOST).optional()
  const secret = given(FORMS.text)
  const secretFile = inFile(FORMS.text)
  return {
    clientSecret: secret.optional().describe(`The client's secret, or \${NAME}`),
    clientSecretFile: secretFile.optional().describe("Path of a file that holds the client's secret"),
    clientSecrets: oneOrTwo(secret).describe('During a rotation its two secrets, the new one first'),
    clientSecretFiles: oneOrTwo(secretFile).describe('During a rotation the paths of their files'),
    privateKeys: oneOrTwo(privateKey).describe(
      "The client's private key (private_key_jwt); two during a rotation, the new one first",
    ),
  }
}

/** What the schema makes of such an entry. */
export interface CredentialEntry {
  clientSecret?: string | undefined
  clientSecretFile?: string | undefined
  clientSecrets?: string[] | undefined
  clientSecretFiles?: string[] | undefined
  privateKeys?: { key: ClientKey; isExposed: boolean }[] | undefined
}

/** The entry's credentials in the order in which they are tried; null where it has none. */
export function entryCredentials(entry: CredentialEntry): ClientCredentials | null {
  const { clientSecret, clientSecretFile, clientSecrets, clientSecretFiles, privateKeys } = entry
  if (privateKeys) return distinct(privateKeys.map(({ key }) => key))
  const one = clientSecret ?? clientSecretFile
  return distinct((one === undefined ? (clientSecrets ?? clientSecretFiles ?? []) : [one]).map(toSecret))
}

const toSecret = (secret: string): ClientCredential => ({ kind: 'secret', secret })

/** The same one given twice is one: refused, it would cost two calls. */
function distinct(all: readonly ClientCredential[]): ClientCredentials | null {
  const [first, ...others] = all
  return first ? [first, ...others.filter((one) => !isDeepStrictEqual(one, first))] : null
}

/** The credentials of the tenant that the environment configures. */
export interface OwnCredentials {
  /** Null where there are none, or not usable ones. */
  credentials: ClientCredentials | null
  mistakes: Mistake[]
  warnings: Mistake[]
}

const OWN_SECRETS = ['QLIK_CLIENT_SECRET', 'QLIK_CLIENT_SECRET_PREVIOUS'] as const
const OWN_KEYS = ['QLIK_CLIENT_KEY', 'QLIK_CLIENT_KEY_PREVIOUS'] as const

/** Keys of the environment that require another one. */
const BESIDE: readonly [key: string, other: string][] = [
  ['QLIK_CLIENT_SECRET_PREVIOUS', 'QLIK_CLIENT_SECRET'],
  ['QLIK_CLIENT_KEY_PREVIOUS_FILE', 'QLIK_CLIENT_KEY_FILE'],
  ...OWN_KEYS.flatMap((key): [string, string][] => [
    [`${key}_ID`, `${key}_FILE`],
    [`${key}_ALG`, `${key}_FILE`],
  ]),
]

/**
 * Reads the credentials of the tenant that the environment configures, and reports every mistake. An empty previous secret
 * or key file counts as none, so that it can stay configured between rotations.
 * @param isTold whether a key of the environment is already known to be wrong
 */
export function ownCredentials(given: Given, isTold: (key: string) => boolean): OwnCredentials {
  const keys = OWN_KEYS.map((key) => readOwnKey(key, given))
  const secrets = OWN_SECRETS.flatMap((key) => (given[key] ? [toSecret(given[key])] : []))
  const mistakes = keys.flatMap(({ mistake }) => mistake ?? [])
  if (given.QLIK_CLIENT_SECRET !== undefined && given.QLIK_CLIENT_KEY_FILE !== undefined) {
    const expected = 'expected QLIK_CLIENT_SECRET or QLIK_CLIENT_KEY_FILE, not both'
    mistakes.push({ key: 'QLIK_CLIENT_KEY_FILE', expected })
  }
  for (const [key, other] of BESIDE) {
    if (given[key] && given[other] === undefined && !isTold(other))
      mistakes.push({ key, expected: `expected ${other} beside it` })
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
  // Another algorithm is a mistake that the schema of the environment reports.
  const algorithm = z.enum(KEY_ALGORITHMS).optional().catch(undefined).parse(given[`${name}_ALG`])
  const { key, mistake } = readClientKey(file, { keyId: given[`${name}_ID`], algorithm })
  if (mistake) {
    const member = mistake.about === 'file' ? 'FILE' : 'ALG'
    return { mistake: { key: `${name}_${member}`, expected: mistake.expected } }
  }
  return { key, ...(file?.isExposed ? { warning: { key: `${name}_FILE`, expected: EXPOSED } } : {}) }
}
