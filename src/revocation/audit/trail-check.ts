import type { Check } from '../../base/check.ts'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { paced, pause } from '../../base/pause.ts'
import type { AuditReading, ChainSpan } from './audit-log.ts'
import type { Head, StoredEntry } from './entry.ts'
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
  readonly #heads = new Map<string, Head>()
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
    for (const writer of this.#heads.keys()) if (!writers.has(writer)) this.#heads.delete(writer)
    for (const span of spans) if (!this.#problems.has(span.writer)) await this.#checkChain(span)
    if (!this.#isStopping) this.#checkedAt = startedAt
  }

  /** Checks what was added since the last time. */
  async #checkChain({ writer, first, last }: ChainSpan): Promise<void> {
    const { clock } = this.#options
    let head = this.#headFrom(writer, first)
    if (head && head.sequence > last) return this.#report('end-missing', writer, last + 1)
    while (!this.#isStopping && (head?.sequence ?? 0) < last) {
      const before = head ?? { writer, sequence: first - 1, hash: null }
      head = await paced(PAUSE_FACTOR, () => this.#checkPage(before), clock, this.#stop.signal)
      if (head === null) return
    }
  }

  /** Returns the last entry of the page; null if the chain is not read further. */
  async #checkPage(before: Omit<Head, 'hash'> & { hash: string | null }): Promise<Head | null> {
    const { writer, sequence, hash } = before
    const page = await this.#options.audit.page({ writer, sequence }, ENTRIES_A_PAGE)
    let head = hash === null ? null : { writer, sequence, hash }
    // None if retention has removed the rest of the chain.
    for (const entry of page.filter((entry) => entry.writer === writer)) {
      const problem = problemOf(entry, head)
      if (problem === 'missing' && (await this.#wasRemoved(entry))) head = null
      else if (problem) {
        this.#report(problem, writer, entry.sequence)
        return null
      }
      head = { writer, sequence: entry.sequence, hash: entry.hash }
      this.#heads.set(writer, head)
    }
    return head?.sequence === sequence ? null : head
  }

  /** The last intact entry, unless retention has removed entries after it. */
  #headFrom(writer: string, first: number): Head | null {
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
