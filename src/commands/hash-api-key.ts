import { randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { digestOfKey, isDigest } from '../base/api-key-digest.ts'
import { FORMATS } from '../base/config-formats.ts'
import { UsageError } from '../base/errors.ts'
import { parseArguments } from './parse-arguments.ts'

const HELP = `Usage: hash-api-key < KEY_FILE
       hash-api-key --generate

Prints sha256: and the digest of an API key, for API_KEYS or for "key" in CONFIG_FILE. With the digest,
the configuration cannot be used to call Curfew. The key is read from standard input and not from an
argument, because every user on the machine can read the arguments of a process.

--generate creates a key: the first line is the key, for the sender, the second its digest.

Exit codes:
   0  the digest is printed
  64  invalid arguments, or not a valid API key
`

const RANDOM_BYTES = 32

/** The command `hash-api-key`. @throws UsageError */
export async function hashApiKeyCommand(args: string[]): Promise<void> {
  const options = { generate: { type: 'boolean' }, help: { type: 'boolean' } } as const
  const { generate, help } = parseArguments({ args, options }, HELP).values
  if (help) return void process.stdout.write(HELP)
  const key = generate ? randomBytes(RANDOM_BYTES).toString('base64url') : await readKey()
  process.stdout.write(`${generate ? `${key}\n` : ''}sha256:${digestOfKey(key)}\n`)
}

/** @throws UsageError */
async function readKey(): Promise<string> {
  if (process.stdin.isTTY) throw new UsageError(`Pipe the key to standard input.\n\n${HELP}`)
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
