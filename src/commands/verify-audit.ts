import { createPublicKey, type KeyObject } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UsageError } from '../base/errors.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { print, printJson } from '../cli/terminal.ts'
import type { Head } from '../revocation/audit/entry.ts'
import { type Finding, type VerifiedChain, verifyExport } from '../revocation/audit/verify.ts'

const PROGRESS_EVERY = 500_000
const FINDINGS_SHOWN = 1_000
const number = new Intl.NumberFormat('en')

/** The command `verify-audit`. Sets the exit code 1 if something is wrong. @throws UsageError */
export async function verifyAuditCommand(
  file: string,
  { heads: headsFile, publicKey: keyFile, json }: { heads?: string; publicKey?: string; json?: boolean },
): Promise<void> {
  const heads = headsFile === undefined ? [] : headsFrom(await readable(readFile(headsFile, 'utf8')))
  const publicKey = keyFile === undefined ? null : publicKeyIn(await readable(readFile(keyFile, 'utf8')))
  const shownFindings: Finding[] = []
  let shown = 0
  let nextProgress = PROGRESS_EVERY
  const verification = await withFile(file, (path) =>
    readable(
      verifyExport(() => createReadStream(path), {
        heads,
        publicKey,
        onFinding: (finding) => {
          shown += 1
          if (shown > FINDINGS_SHOWN) return
          if (json) shownFindings.push(finding)
          else print(describe(finding))
        },
        onProgress: (lines) => {
          if (lines < nextProgress) return
          nextProgress = lines + PROGRESS_EVERY
          process.stderr.write(`${number.format(lines)} lines …\n`)
        },
      }),
    ),
  )
  const { entries, erased, chains, findings, signedDay } = verification
  if (findings > 0) process.exitCode = EXIT.no
  if (json) return printJson({ verified: findings === 0, ...verification, problems: shownFindings })
  if (findings > FINDINGS_SHOWN) print(`… and ${number.format(findings - FINDINGS_SHOWN)} more.`)
  if (findings > 0) print('')
  print('Each chain is intact up to this entry (chain, entry, hash):')
  for (const chain of chains) print(describeChain(chain))
  const counted = `${number.format(entries)} entries in ${number.format(chains.length)} chains`
  print(`\n${counted}; the personal data of ${number.format(erased)} was erased.`)
  if (signedDay !== null) print(`The heads are signed up to ${signedDay}.`)
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

/** The lines of an earlier output that name the last intact entry of a chain. */
function headsFrom(output: string): Head[] {
  const lines = [...output.matchAll(/^(\S+) (\d+) ([0-9a-f]{64})(?= |\r?$)/gm)]
  if (lines.length === 0) throw new UsageError('The file of --heads is not an output of verify-audit.')
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
  throw new UsageError('The file of --public-key is not an Ed25519 public key in PEM.')
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
