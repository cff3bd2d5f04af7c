import type { KeyObject } from 'node:crypto'
import { type Line, linesOf } from '../../base/lines.ts'
import type { Head, Position } from './entry.ts'
import { type ExportedLine, readLine } from './exported-line.ts'
import { ADVICE, type Finding, type Place, type Problem, WHOLE_EXPORT } from './finding.ts'
import { FirstPass } from './first-pass.ts'
import { SignatureCheck } from './signed-heads.ts'

export interface VerifiedChain {
  writer: string
  /** The first and the last entry in the export. */
  first: number
  last: number
  /** The last entry of the intact beginning; null if there is none. */
  verified: Head | null
}

export interface Verification {
  entries: number
  /** Number of private parts that are missing because they were erased. */
  erased: number
  chains: VerifiedChain[]
  /** Number of findings. */
  findings: number
  /** The days (UTC, YYYY-MM-DD) with valid signatures, in order. */
  signedDays: string[]
}

export interface VerifyOptions {
  /** Heads of chains that are known from elsewhere, such as an earlier verification. */
  heads?: Iterable<Head>
  /**
   * The public keys for entries `heads-signed`: at least one signature must be valid, and each be valid with one of them. By
   * default, signatures are not checked.
   */
  publicKeys?: readonly KeyObject[]
  onFinding: (finding: Finding) => void
  /** Called now and then with the number of lines so far, of both passes together. */
  onProgress?: (lines: number) => void
}

/** A list of 100,000 chains fits. */
const LONGEST_LINE = 16 * 1024 * 1024

/**
 * Verifies an export of the audit trail. Memory is bounded by the number of chains and signed heads, not of entries.
 * @param open reads the export from its beginning; called twice
 */
export async function verifyExport(
  open: () => AsyncIterable<Buffer>,
  { heads = [], publicKeys = [], onFinding, onProgress = () => {} }: VerifyOptions,
): Promise<Verification> {
  const firstPass = new FirstPass(heads, publicKeys.length === 0 ? null : new SignatureCheck(publicKeys))
  let lines = 0
  const eachLine = async (take: (line: Line) => void) => {
    for await (const some of linesOf(open(), LONGEST_LINE)) {
      for (const line of some) take(line)
      lines += some.length
      onProgress(lines)
    }
  }
  await eachLine((line) => firstPass.add(line))
  const verifier = new Verifier(firstPass, onFinding)
  await eachLine((line) => verifier.add(line))
  return verifier.end(publicKeys.length > 0)
}

interface Chain extends VerifiedChain {
  /** The hashes that the next entry may continue: as computed, and as stated. So one changed entry is one finding. */
  hashes: readonly string[]
  isIntact: boolean
}

/** Verifies the lines one by one. Chains may come in any order, even mixed; the entries of each chain in theirs. */
class Verifier {
  readonly #firstPass: FirstPass
  readonly #onFinding: (finding: Finding) => void
  readonly #chains = new Map<string, Chain>()
  #line = 0
  #entries = 0
  #erased = 0
  #findings = 0

  constructor(firstPass: FirstPass, onFinding: (finding: Finding) => void) {
    this.#firstPass = firstPass
    this.#onFinding = onFinding
  }

  add(line: Line): void {
    this.#line += 1
    const read = line === null ? 'it is too long' : readLine(line)
    if (typeof read === 'string')
      return void this.#report('unreadable', WHOLE_EXPORT, `This is not an audit entry: ${read}.`)
    this.#entries += 1
    const chain = this.#place(read)
    this.#check(read)
    if (chain?.isIntact) chain.verified = headIn(read)
  }

  /** Checks what needs all lines. */
  end(mustBeSigned: boolean): Verification {
    const { heads, checkpoints, disputed, erased, signed } = this.#firstPass
    const signedDays = signed.days()
    if (this.#entries === 0) this.#reportWhole('empty', WHOLE_EXPORT, 'There is no audit entry.')
    for (const head of heads.values()) this.#requireHead(head)
    for (const checkpoint of checkpoints.values()) this.#checkRemoval(checkpoint, mustBeSigned)
    for (const writer of new Set([...disputed, ...signed.disputed]))
      this.#reportHead({ writer, sequence: null })
    if (mustBeSigned && signedDays.length === 0) this.#reportWhole('unsigned', WHOLE_EXPORT, ADVICE.unsigned)
    if (this.#erased > erased) {
      const missing = `${this.#erased} private parts are missing, but erasures of only ${erased} are recorded.`
      this.#reportWhole(
        'private-missing',
        WHOLE_EXPORT,
        `${missing} If one ran during the export, export again.`,
      )
    }
    const chains = [...this.#chains.values()].map(({ hashes: _, isIntact: __, ...chain }) => chain)
    return { entries: this.#entries, erased: this.#erased, chains, findings: this.#findings, signedDays }
  }

  /** Checks the place of an entry. @returns the chain that it continues; null if it continues none */
  #place(read: ExportedLine): Chain | null {
    const { writer, sequence, previous } = read.entry
    const chain = this.#chains.get(writer)
    if (!chain) return this.#begin(read)
    const { last } = chain
    if (sequence <= last) {
      this.#report(
        'out-of-order',
        read.entry,
        `It comes after entry ${last}: it was repeated, inserted or moved.`,
      )
      return null
    }
    if (sequence > last + 1) this.#reportMissing(read, last + 1)
    else if (previous === null || !chain.hashes.includes(previous))
      this.#report('unlinked', read.entry, `It does not continue entry ${last}: one of the two was replaced.`)
    return Object.assign(chain, { last: sequence, hashes: [read.computed.hash, read.hash] })
  }

  #begin(read: ExportedLine): Chain {
    const { writer, sequence, previous, event } = read.entry
    const hashes = [read.computed.hash, read.hash]
    const chain: Chain = { writer, first: sequence, last: sequence, verified: null, hashes, isIntact: true }
    this.#chains.set(writer, chain)
    const removed = this.#firstPass.checkpoints.get(writer)
    if (sequence > (removed?.sequence ?? 0) + 1) this.#reportMissing(read, (removed?.sequence ?? 0) + 1)
    else if (sequence === 1 && (previous !== null || event !== 'chain-started'))
      this.#report(
        'unlinked',
        read.entry,
        'The first entry of a chain must be "chain-started", without "previous".',
      )
    else if (sequence - 1 === removed?.sequence && previous !== removed.hash)
      this.#report('unlinked', read.entry, 'It does not continue the last entry that retention removed.')
    return chain
  }

  /** Checks an entry by itself, and against the heads that are listed elsewhere. */
  #check(read: ExportedLine): void {
    const { entry, computed } = read
    if (computed.hash !== read.hash) this.#report('changed', entry, 'The entry does not match its hash.')
    if (read.private === null) this.#erased += entry.private === null ? 0 : 1
    else if (computed.private !== entry.private)
      this.#report('private-changed', entry, 'The private part does not match its digest in the entry.')
    const rejection = this.#firstPass.rejected.get(this.#line)
    if (rejection) this.#report(rejection, entry, ADVICE[rejection])
    if (this.#listed(entry).some((hash) => hash !== computed.hash)) this.#reportHead(entry)
  }

  /** The hashes that are listed for an entry elsewhere. */
  #listed({ writer, sequence }: Position): string[] {
    const { heads, checkpoints, signed } = this.#firstPass
    const latest = [heads, checkpoints].flatMap((of) => of.get(writer) ?? [])
    const signedHash = signed.hashOf(writer, sequence) ?? []
    return latest.flatMap((head) => (head.sequence === sequence ? head.hash : [])).concat(signedHash)
  }

  #requireHead(head: Head): void {
    const removed = this.#firstPass.checkpoints.get(head.writer)
    if (removed && removed.sequence >= head.sequence) return
    if (this.#chains.has(head.writer)) return void this.#requireEnd(head)
    const text = `The whole chain is missing. Elsewhere, its entry ${head.sequence} is listed.`
    this.#reportWhole('chain-missing', head, text)
  }

  /** A checkpoint alone is not accepted as proof: anyone who can write to the database can create one. */
  #checkRemoval(checkpoint: Head, mustBeSigned: boolean): void {
    const { writer, sequence: removed, hash } = checkpoint
    if (this.#listed(checkpoint).some((listed) => listed !== hash)) this.#reportHead(checkpoint)
    this.#requireEnd(checkpoint)
    if (!mustBeSigned) return
    const { signed, known } = this.#firstPass
    const chain = this.#chains.get(writer)
    const deletable = signed.lastDeletable(writer)
    const covered = Math.max(signed.lastSigned(writer), known.get(writer)?.sequence ?? 0)
    const sequence = Math.min(removed, covered, chain ? chain.first - 1 : removed)
    if (sequence <= deletable) return
    const text = `Entries ${deletable + 1} to ${sequence} were removed, but no signature states that they were about to expire.`
    this.#reportWhole('removed-early', { writer, sequence }, `${text} ${ADVICE['removed-early']}`)
    if (chain) chain.verified = null
  }

  /** A chain may lack entries up to its checkpoint, but not between others and the checkpoint. */
  #requireEnd({ writer, sequence }: Head): void {
    const chain = this.#chains.get(writer)
    if (!chain || chain.last >= sequence) return
    const text = `The chain ends with entry ${chain.last}. Elsewhere, its entry ${sequence} is listed.`
    this.#reportWhole('end-missing', { writer, sequence: chain.last + 1 }, text)
  }

  #reportMissing({ entry }: ExportedLine, from: number): void {
    const to = entry.sequence - 1
    this.#report(
      'missing',
      entry,
      from === to ? `Entry ${to} is missing.` : `Entries ${from} to ${to} are missing.`,
    )
  }

  /** The entries before it may have been replaced, too: none counts as verified. */
  #reportHead(of: Place): void {
    const text = 'Elsewhere, another hash is listed for it: this chain, or the list, was replaced.'
    this.#reportWhole('head-differs', of, text)
    const chain = this.#chains.get(of.writer ?? '')
    if (chain) chain.verified = null
  }

  #reportWhole(problem: Problem, place: Place, detail: string): void {
    this.#report(problem, place, detail, null)
  }

  #report(
    problem: Problem,
    { writer, sequence }: Place,
    detail: string,
    line: number | null = this.#line,
  ): void {
    this.#findings += 1
    const chain = this.#chains.get(writer ?? '')
    if (chain) chain.isIntact = false
    this.#onFinding({ problem, line, writer, sequence, detail })
  }
}

function headIn({ entry: { writer, sequence }, computed: { hash } }: ExportedLine): Head {
  return { writer, sequence, hash }
}
