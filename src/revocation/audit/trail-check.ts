import type { Check } from '../../base/check.ts'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { paced, pause } from '../../base/pause.ts'
import type { AuditReading, ChainSpan } from './audit-log.ts'
import { entryOf, type Head, type StoredEntry } from './entry.ts'
import { exportedLine, readLine } from './exported-line.ts'
import type { Problem } from './finding.ts'

const ENTRIES_A_PAGE = 100
const CHECK_EVERY_MS = 10 * 60_000
/** The check takes up to 5 % of the time. */
const PAUSE_FACTOR = 19

export interface TrailProblem {
  problem: Problem
  writer: string
  sequence: number
}

/** How far the check of a chain has come. */
export interface CheckedChain {
  writer: string
  /** The last intact entry: its position, and its time in ms since the epoch. Null if none was checked. */
  last: { sequence: number; at: number } | null
  /** The first problem; null if there is none. The chain is not checked further. */
  problem: TrailProblem | null
}

/** The last intact entry of a chain. */
type Checked = Head & Pick<StoredEntry, 'text'>

export interface TrailCheckOptions {
  audit: Pick<AuditReading, 'spans' | 'page'>
  clock: Clock
  log: Log
}

/**
 * Reads the audit trail in the background, each entry once after the start, and checks that it matches its hash and
 * continues the entry before it. `verifyExport` also detects what needs a signature or an earlier export.
 */
export class TrailCheck {
  readonly #options: TrailCheckOptions
  readonly #stop = new AbortController()
  /** The last intact entry of each chain. */
  readonly #heads = new Map<string, Checked>()
  /** The first problem of each damaged chain, which is not read further. */
  readonly #problems = new Map<string, TrailProblem>()
  #checkedAt: number | null = null
  #running = Promise.resolve()

  constructor(options: TrailCheckOptions) {
    this.#options = options
  }

  /** When all entries of that time were checked, ms since the epoch; null if that never was. */
  get checkedAt(): number | null {
    return this.#checkedAt
  }

  get problems(): readonly TrailProblem[] {
    return [...this.#problems.values()]
  }

  /** The chains of which an entry was checked: the damaged ones first, then those with the newest entries. */
  get chains(): readonly CheckedChain[] {
    const writers = new Set([...this.#heads.keys(), ...this.#problems.keys()])
    const chains = [...writers].map((writer) => {
      const head = this.#heads.get(writer)
      const last = head ? { sequence: head.sequence, at: entryOf(head.text)?.at ?? 0 } : null
      return { writer, last, problem: this.#problems.get(writer) ?? null }
    })
    const isDamaged = ({ problem }: CheckedChain) => Number(problem !== null)
    const newest = ({ last }: CheckedChain) => last?.at ?? 0
    return chains.sort((one, other) => isDamaged(other) - isDamaged(one) || newest(other) - newest(one))
  }

  /** A warning for readiness. It is public, so it does not name entries. */
  checks(): Check[] {
    const count = this.#problems.size
    if (count === 0) return []
    const detail = `Damaged chains of the audit trail: ${count}. The log names the entries. Verify an export: docs/audit.md.`
    return [{ name: 'audit-trail', status: 'warning', detail }]
  }

  start(): void {
    this.#running = this.#repeat()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #repeat(): Promise<void> {
    const { clock, log } = this.#options
    while (!this.#isStopping) {
      await pause(CHECK_EVERY_MS, clock, this.#stop.signal)
      if (this.#isStopping) return
      await this.#checkAll().catch((error) => {
        if (!this.#isStopping) log.warn({ err: error }, 'could not check the audit trail; retrying')
      })
    }
  }

  get #isStopping(): boolean {
    return this.#stop.signal.aborted
  }

  async #checkAll(): Promise<void> {
    const { audit, clock } = this.#options
    const startedAt = clock.now()
    const spans = await audit.spans()
    const writers = new Set(spans.map(({ writer }) => writer))
    // Retention has removed the others.
    for (const known of [this.#heads, this.#problems])
      for (const writer of known.keys()) if (!writers.has(writer)) known.delete(writer)
    for (const span of spans) if (!this.#problems.has(span.writer)) await this.#checkChain(span)
    if (!this.#isStopping) this.#checkedAt = startedAt
  }

  /** Checks what was added since the last time. */
  async #checkChain({ writer, first, last }: ChainSpan): Promise<void> {
    const { clock } = this.#options
    let head = this.#headFrom(writer, first)
    if (head && head.sequence > last) return this.#report('end-missing', writer, last + 1)
    while (!this.#isStopping && (head?.sequence ?? 0) < last) {
      const before = head
      const after = before ?? { writer, sequence: first - 1 }
      head = await paced(PAUSE_FACTOR, () => this.#checkPage(after, before), clock, this.#stop.signal)
      if (head === null) return
    }
  }

  /** Checks a page, which begins after `before` if that is known. Returns its last entry; null if the chain is not read further. */
  async #checkPage(after: Omit<Head, 'hash'>, before: Checked | null): Promise<Checked | null> {
    const { writer } = after
    const page = await this.#options.audit.page(after, ENTRIES_A_PAGE)
    const entries = page.filter((entry) => entry.writer === writer)
    // Retention has removed the rest of the chain.
    if (entries.length === 0) return null
    let head = before
    for (const entry of entries) {
      const problem = problemOf(entry, head)
      if (problem === 'missing' && (await this.#wasRemoved(entry))) head = null
      else if (problem) {
        this.#report(problem, writer, entry.sequence)
        return null
      }
      head = { writer, sequence: entry.sequence, hash: entry.hash, text: entry.text }
      this.#heads.set(writer, head)
    }
    return head
  }

  /** The last intact entry, unless retention has removed entries after it. */
  #headFrom(writer: string, first: number): Checked | null {
    const head = this.#heads.get(writer)
    return head && head.sequence >= first - 1 ? head : null
  }

  /** Whether retention has removed the entries before this one, since the chain was looked up. */
  async #wasRemoved({ writer, sequence }: StoredEntry): Promise<boolean> {
    const spans = await this.#options.audit.spans()
    const span = spans.find((span) => span.writer === writer)
    return span === undefined || span.first >= sequence
  }

  #report(problem: Problem, writer: string, sequence: number): void {
    this.#problems.set(writer, { problem, writer, sequence })
    const action = 'Export the audit trail and run `curfew audit verify`: see docs/audit.md.'
    this.#options.log.error({ problem, writer, sequence, action }, 'the audit trail is damaged')
  }
}

/**
 * What is wrong with an entry.
 * @param head the entry before it; null if retention has removed it
 */
function problemOf(entry: StoredEntry, head: Head | null): Problem | null {
  const read = readLine(Buffer.from(exportedLine(entry).trimEnd()))
  if (typeof read === 'string') return 'unreadable'
  const { writer, sequence, previous, event } = read.entry
  const isInPlace = writer === entry.writer && sequence === entry.sequence
  if (read.computed.hash !== read.hash || !isInPlace) return 'changed'
  if (read.private !== null && read.computed.private !== read.entry.private) return 'private-changed'
  if (head && sequence !== head.sequence + 1) return 'missing'
  if (sequence === 1) return previous === null && event === 'chain-started' ? null : 'unlinked'
  return head && previous !== head.hash ? 'unlinked' : null
}
