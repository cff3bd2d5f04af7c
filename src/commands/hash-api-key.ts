import { randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { digestOfKey, isDigest } from '../base/api-key-digest.ts'
import { FORMATS } from '../base/config-formats.ts'
import { UsageError } from '../base/errors.ts'
import { print, printJson } from '../cli/terminal.ts'

const RANDOM_BYTES = 32

/** The command `hash-api-key`. @throws UsageError */
export async function hashApiKeyCommand({
  generate,
  json,
}: {
  generate?: boolean
  json?: boolean
}): Promise<void> {
  const key = generate ? newApiKey() : await readKey()
  const digest = digestOf(key)
  if (json) return printJson(generate ? { key, digest } : { digest })
  if (generate) print(key)
  print(digest)
}

/** A random API key, in printable characters. */
export function newApiKey(): string {
  return randomBytes(RANDOM_BYTES).toString('base64url')
}

/** The digest of a key, as a configuration names it. */
export function digestOf(key: string): string {
  return `sha256:${digestOfKey(key)}`
}

/** @throws UsageError */
async function readKey(): Promise<string> {
  if (process.stdin.isTTY)
    throw new UsageError('Pipe the key to standard input: curfew hash-api-key < KEY_FILE')
  return keyIn(await text(process.stdin))
}

/** The key in this text, without white space around it. @throws UsageError, which does not repeat the text */
export function keyIn(input: string): string {
  const key = input.trim()
  if (isDigest(key)) throw new UsageError('Standard input holds a digest; expected an API key.')
  if (!FORMATS.apiKey.isValid(key))
    throw new UsageError(
      'Standard input holds no API key; expected 24 to 512 printable characters without spaces.',
    )
  return key
}
