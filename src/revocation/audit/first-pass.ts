import type { Line } from '../../base/lines.ts'
import type { Head } from './entry.ts'
import { headsIn, readLine } from './exported-line.ts'
import type { Problem } from './finding.ts'
import { SignedChains } from './signed-chains.ts'
import type { SignatureCheck } from './signed-heads.ts'

/** Finds the lines that matter without parsing the others. A line that is not canonical is reported later. */
const MATTERS = /"event":"(?:chain-started|heads|heads-signed|entries-purged|erased)"/

/**
 * What the entries say of other chains. It must be complete before the chains are verified, because an entry may list the
 * head of a chain that comes earlier in the export. One head and one checkpoint of each chain are kept: the hash of the latest
 * one covers all earlier ones.
 */
export class FirstPass {
  /** The latest listed head of each chain. */
  readonly heads = new Map<string, Head>()
  /** The last entry of each chain that retention removed. */
  readonly checkpoints = new Map<string, Head>()
  /** Chains for which different heads with the same sequence are listed. */
  readonly disputed = new Set<string>()
  /** The number of private parts that were erased, as recorded. */
  erased = 0

  /** The latest head of each chain that is known from elsewhere. */
  readonly known = new Map<string, Head>()
  /** What valid signatures state. */
  readonly signed = new SignedChains()
  /** Numbers of the lines with signatures that are not accepted. Their heads are ignored. */
  readonly rejected = new Map<number, Extract<Problem, 'signature-invalid' | 'key-unknown'>>()

  readonly #signatures: SignatureCheck | null
  #line = 0

  /**
   * @param heads known from elsewhere, such as an earlier verification
   * @param signatures null to accept all signatures
   */
  constructor(heads: Iterable<Head>, signatures: SignatureCheck | null) {
    this.#signatures = signatures
    for (const head of heads) for (const list of [this.known, this.heads]) this.#note(list, head)
  }

  add(line: Line): void {
    this.#line += 1
    if (!line || !MATTERS.test(line.toString('latin1'))) return
    const read = readLine(line)
    if (typeof read === 'string') return
    const { event, details } = read.entry
    if (event === 'entries-purged')
      for (const head of headsIn(details.checkpoints)) this.#note(this.checkpoints, head)
    else if (event === 'erased') this.erased += countOf(details.entries)
    else if (event !== 'heads-signed' || this.#accepts(details))
      for (const head of headsIn(details.heads)) this.#note(this.heads, head)
  }

  #accepts(details: Record<string, unknown>): boolean {
    const statement = this.#signatures?.read(details) ?? null
    if (typeof statement === 'string') this.rejected.set(this.#line, statement)
    else if (statement) this.signed.add(statement)
    return typeof statement !== 'string'
  }

  #note(heads: Map<string, Head>, { writer, sequence, hash }: Head): void {
    const known = heads.get(writer)
    if (known?.sequence === sequence && known.hash !== hash) this.disputed.add(writer)
    if (!known || known.sequence < sequence) heads.set(writer, { writer, sequence, hash })
  }
}

function countOf(value: unknown): number {
  return Number.isSafeInteger(value) ? Math.max(0, Number(value)) : 0
}
