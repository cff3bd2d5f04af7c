import { createPublicKey, type KeyObject } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UsageError } from '../base/errors.ts'
import { DAY_MS, dayOf } from '../base/utc-day.ts'
import type { Head } from '../revocation/audit/entry.ts'
import type { Finding } from '../revocation/audit/finding.ts'
import { type VerifiedChain, verifyExport } from '../revocation/audit/verify.ts'
import { parseArguments } from './parse-arguments.ts'

const HELP = `Usage: verify-audit [--heads FILE] [--public-key FILE]... EXPORT
       verify-audit [--heads FILE] [--public-key FILE]... - < EXPORT

Verifies an export of the audit trail (GET /audit/export): detects entries that were changed, removed, inserted
or moved, chains without their end, and changed personal data. Personal data may have been erased. Prints what
is wrong, and up to which entry each chain is intact. Keep the output where nobody who can write to the database
can change it: an intact export is no proof of entries after the last head that is known elsewhere.

--heads compares the chains with the output of an earlier verification.
--public-key verifies the daily signatures (AUDIT_SIGNING_KEY): at least one must be valid, and none invalid. Repeat it
for each key that was in use, if the key was rotated.

Exit codes:
   0  everything is intact
   1  something is wrong
  64  invalid arguments, or a file cannot be read
`

const NOT_AN_OUTPUT =
  'The file of --heads is not an output of verify-audit. Pass the saved output of an earlier verification, or omit --heads.'
const NOT_A_KEY =
  'The file of --public-key is not an Ed25519 public key in PEM. Create it with: openssl pkey -in KEY_FILE -pubout'

const PROGRESS_EVERY = 500_000
const FINDINGS_SHOWN = 1_000
const number = new Intl.NumberFormat('en')

/** The command `verify-audit`. Sets the exit code 1 if something is wrong. @throws UsageError */
export async function verifyAuditCommand(args: string[]): Promise<void> {
  const { file, headsFile, keyFiles, help } = optionsOf(args)
  if (help) return void process.stdout.write(HELP)
  if (file === undefined) throw new UsageError(`The export is missing.\n\n${HELP}`)
  const heads = headsFile === undefined ? [] : headsFrom(await readable(readFile(headsFile, 'utf8')))
  const publicKeys: KeyObject[] = []
  for (const keyFile of keyFiles) publicKeys.push(publicKeyIn(await readable(readFile(keyFile, 'utf8'))))
  const print = (line: string) => void process.stdout.write(`${line}\n`)
  let shown = 0
  let nextProgress = PROGRESS_EVERY
  const verification = await withFile(file, (path) =>
    readable(
      verifyExport(() => createReadStream(path), {
        heads,
        publicKeys,
        onFinding: (finding) => {
          shown += 1
          if (shown <= FINDINGS_SHOWN) print(describe(finding))
        },
        onProgress: (lines) => {
          if (lines < nextProgress) return
          nextProgress = lines + PROGRESS_EVERY
          process.stderr.write(`${number.format(lines)} lines …\n`)
        },
      }),
    ),
  )
  const { entries, erased, chains, findings, signedDays } = verification
  if (findings > FINDINGS_SHOWN) print(`… and ${number.format(findings - FINDINGS_SHOWN)} more.`)
  if (findings > 0) print('')
  print('Each chain is intact up to this entry (chain, entry, hash):')
  for (const chain of chains) print(describeChain(chain))
  const counted = `${number.format(entries)} entries in ${number.format(chains.length)} chains`
  print(`\n${counted}; the personal data of ${number.format(erased)} was erased.`)
  for (const line of describeDays(signedDays)) print(line)
  print(findings === 0 ? 'Verified.' : `NOT verified. Problems: ${number.format(findings)}`)
  if (findings > 0) process.exitCode = 1
}

function describe({ problem, line, writer, sequence, detail }: Finding): string {
  const entry = sequence === null ? null : `entry ${sequence}`
  const chain = writer === null ? null : `chain ${writer}`
  const place = [line === null ? null : `line ${line}`, chain, entry].filter((part) => part !== null)
  return `${[problem, ...place].join(', ')}: ${detail}`
}

function describeChain({ writer, last, verified }: VerifiedChain): string {
  if (!verified) return `${writer} none of ${last}`
  const { sequence, hash } = verified
  return `${writer} ${sequence} ${hash}${sequence < last ? ` of ${last}` : ''}`
}

/** States the days without a signature, because all entries of such a day may have been removed. */
function describeDays(days: readonly string[]): string[] {
  const [first = '', last = ''] = [days[0], days.at(-1)]
  if (days.length === 0) return []
  const signed = `The heads are signed from ${first} to ${last}.`
  const gaps = days.flatMap((day, index) => gapBetween(days[index - 1] ?? day, day))
  return gaps.length === 0 ? [signed] : [signed, `Days without a signature: ${gaps.join(', ')}.`]
}

/** The days between two signed ones, as text. */
function gapBetween(before: string, after: string): string[] {
  const [first, last] = [dayOf(Date.parse(before) + DAY_MS), dayOf(Date.parse(after) - DAY_MS)]
  if (first > last || before === after) return []
  return [first === last ? first : `${first} to ${last}`]
}

/** The lines of an earlier output that name the last intact entry of a chain. */
function headsFrom(output: string): Head[] {
  const lines = [...output.matchAll(/^(\S+) (\d+) ([0-9a-f]{64})(?= |\r?$)/gm)]
  if (lines.length === 0) throw new UsageError(NOT_AN_OUTPUT)
  return lines.map(([, writer = '', sequence, hash = '']) => ({ writer, sequence: Number(sequence), hash }))
}

/** @throws UsageError */
function publicKeyIn(pem: string): KeyObject {
  try {
    const key = createPublicKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // The message of OpenSSL would not help.
  }
  throw new UsageError(NOT_A_KEY)
}

/** Passes the path of a file. Standard input is copied to one, because it is read twice. */
async function withFile<T>(file: string, use: (path: string) => Promise<T>): Promise<T> {
  if (file !== '-') return use(file)
  if (process.stdin.isTTY) throw new UsageError(`Pipe the export to standard input.\n\n${HELP}`)
  // Readable only for this user: it contains personal data.
  const folder = await mkdtemp(join(tmpdir(), 'curfew-verify-audit-'))
  try {
    const path = join(folder, 'export.jsonl')
    await readable(writeFile(path, process.stdin, { mode: 0o600 }))
    return await use(path)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** @throws UsageError if a file cannot be read */
async function readable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error
    throw new UsageError(`A file cannot be read: ${error.message}.`)
  }
}

function optionsOf(args: string[]) {
  const options = {
    heads: { type: 'string' },
    'public-key': { type: 'string', multiple: true },
    help: { type: 'boolean' },
  } as const
  const { values, positionals } = parseArguments({ args, options, allowPositionals: true }, HELP)
  if (positionals.length > 1) throw new UsageError(`More than one export.\n\n${HELP}`)
  const { heads: headsFile, 'public-key': keyFiles = [], help } = values
  return { file: positionals[0], headsFile, keyFiles, help }
}
