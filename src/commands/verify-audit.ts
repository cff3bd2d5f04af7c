import { createPublicKey, type KeyObject } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UsageError } from '../base/errors.ts'
import { DAY_MS, dayOf } from '../base/utc-day.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { print, printable, printJson } from '../cli/terminal.ts'
import type { Head } from '../revocation/audit/entry.ts'
import type { Finding } from '../revocation/audit/finding.ts'
import { type VerifiedChain, verifyExport } from '../revocation/audit/verify.ts'

const NOT_AN_OUTPUT =
  'The file of --heads is not an output of curfew audit verify. Pass the saved output of an earlier verification, or omit --heads.'
const NOT_A_KEY =
  'The file of --public-key is not an Ed25519 public key in PEM. Create it with: openssl pkey -in KEY_FILE -pubout'

const PROGRESS_EVERY = 500_000
const FINDINGS_SHOWN = 1_000
const number = new Intl.NumberFormat('en')

/** The command `audit verify`. Sets the exit code 1 if something is wrong. @throws UsageError */
export async function verifyAuditCommand(
  file: string,
  {
    heads: headsFile,
    publicKey: keyFiles = [],
    json,
  }: { heads?: string; publicKey?: string[]; json?: boolean },
): Promise<void> {
  const heads = headsFile === undefined ? [] : headsFrom(await readable(readFile(headsFile, 'utf8')))
  const publicKeys: KeyObject[] = []
  for (const keyFile of keyFiles) publicKeys.push(publicKeyIn(await readable(readFile(keyFile, 'utf8'))))
  const shownFindings: Finding[] = []
  let shown = 0
  let nextProgress = PROGRESS_EVERY
  const verification = await withFile(file, (path) =>
    readable(
      verifyExport(() => createReadStream(path), {
        heads,
        publicKeys,
        onFinding: (finding) => {
          shown += 1
          if (shown > FINDINGS_SHOWN) return
          if (json) shownFindings.push(finding)
          else print(printable(describe(finding)))
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
  if (findings > 0) process.exitCode = EXIT.no
  if (json) return printJson({ verified: findings === 0, ...verification, problems: shownFindings })
  if (findings > FINDINGS_SHOWN) print(`… and ${number.format(findings - FINDINGS_SHOWN)} more.`)
  if (findings > 0) print('')
  print('Each chain is intact up to this entry (chain, entry, hash):')
  for (const chain of chains) print(printable(describeChain(chain)))
  const counted = `${number.format(entries)} entries in ${number.format(chains.length)} chains`
  print(`\n${counted}; the personal data of ${number.format(erased)} was erased.`)
  for (const line of describeDays(signedDays)) print(line)
  print(findings === 0 ? 'Verified.' : `NOT verified. Problems: ${number.format(findings)}`)
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
  if (process.stdin.isTTY)
    throw new UsageError('Pipe the export to standard input: curfew audit verify - < EXPORT')
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
