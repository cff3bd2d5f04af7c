import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { UsageError } from '../base/errors.ts'
import { print, printJson } from '../cli/terminal.ts'
import { digestOf, newApiKey } from './hash-api-key.ts'

const SECRET_BYTES = 32

interface Options {
  webhookSecret?: boolean
  clientKey?: string
  json?: boolean
}

/** The command `keys new`. @throws UsageError if the file cannot be created */
export async function newKeyCommand({ webhookSecret, clientKey, json }: Options): Promise<void> {
  if (webhookSecret && clientKey !== undefined)
    throw new UsageError('Choose --webhook-secret or --client-key, not both.')
  if (clientKey !== undefined) return newClientKey(clientKey, json)
  if (webhookSecret) {
    const secret = `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`
    return json ? printJson({ webhookSecret: secret }) : print(secret)
  }
  const key = newApiKey()
  const digest = digestOf(key)
  if (json) return printJson({ key, digest })
  print(`For the sender, shown only here:   ${key}`)
  print(`For API_KEYS, or "key" in CONFIG_FILE:   ${digest}`)
}

/** P-384 with ES384: Qlik accepts it, and its keys are the shortest. */
function newClientKey(file: string, json: boolean | undefined) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  try {
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    throw new UsageError(`The file cannot be created: ${error instanceof Error ? error.message : error}.`)
  }
  const pem = String(publicKey.export({ type: 'spki', format: 'pem' }))
  if (json) return printJson({ file, publicKey: pem })
  print(`The private key is in ${file}: set QLIK_CLIENT_KEY_FILE to its path.`)
  print('Add this public key to the OAuth client in Qlik:\n')
  print(pem.trimEnd())
}
