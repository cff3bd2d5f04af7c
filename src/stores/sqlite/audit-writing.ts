import { randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { HEADS_EVERY_MS } from '../../revocation/audit/audit-log.ts'
import {
  type ChainEnd,
  type Draft,
  draft,
  emptyChain,
  link,
  type NewEntry,
} from '../../revocation/audit/chain.ts'
import type { AuditEvent } from '../../revocation/audit/entry.ts'
import { chainStarted, headsListed } from '../../revocation/audit/events.ts'
import { newSalt } from '../../revocation/audit/salt.ts'
import { AUDIT_COLUMNS, toAuditValues, toHead } from '../audit-row.ts'
import type { Companion } from './group-commit.ts'

/**
 * Writes the entries of the audit trail in the transactions of the changes that they record. One chain for each process
 * that has opened the file: transactions run one after the other. Entries are written once per transaction, outside the
 * savepoints of its writes: each savepoint copies every page that it changes.
 */
export class SqliteAuditWriting implements Companion {
  readonly writer = randomUUID()
  readonly #isOn: boolean
  readonly #statements: ReturnType<typeof statementsOf>
  /** What the current transaction has noted. */
  #noted: Draft[] = []
  /** The end of the chain, as committed; null if it must be read. */
  #end: ChainEnd | null = null
  #next: ChainEnd | null = null

  constructor(database: DatabaseSync, isOn: boolean) {
    this.#isOn = isOn
    this.#statements = statementsOf(database)
  }

  /** Records events in the caller's transaction. */
  note(events: readonly AuditEvent[], at: number): void {
    if (this.#isOn) for (const event of events) this.#noted.push(draft(event, at, newSalt))
  }

  /** See `AuditLog.recordHeads`. A chain cannot vouch for its own end, so nothing is recorded without another chain. */
  noteHeads(at: number): void {
    if (!this.#isOn || !this.#statements.isListDue(this.writer, at)) return
    const heads = this.#statements.list(this.writer, at)
    if (heads.length > 0) this.note([headsListed(heads)], at)
  }

  begin(): () => void {
    const { length } = this.#noted
    return () => {
      this.#noted.length = length
    }
  }

  beforeCommit(): void {
    const [first] = this.#noted
    if (!first) return
    const end = this.#end ?? this.#statements.endOf(this.writer)
    if (end.sequence === 0) {
      const started = chainStarted(this.#statements.list(this.writer, first.at))
      this.#noted.unshift(draft(started, first.at, newSalt))
    }
    const linked = link(end, this.#noted)
    for (const entry of linked.entries) this.#statements.insert(entry)
    this.#statements.saveEnd(linked.end)
    this.#next = linked.end
  }

  afterCommit(): void {
    if (this.#noted.length === 0) return
    this.#end = this.#next
    this.#noted = []
  }

  /** Nothing is assumed about a failed commit: the end of the chain is read again. */
  afterFailure(): void {
    this.#end = null
    this.#noted = []
  }
}

function statementsOf(database: DatabaseSync) {
  const insert = database.prepare(
    `INSERT INTO audit_entries (${AUDIT_COLUMNS.join(', ')}) VALUES (${AUDIT_COLUMNS.map(() => '?').join(', ')})`,
  )
  const end = database.prepare('SELECT sequence, hash FROM audit_chains WHERE writer = ?')
  const saveEnd = database.prepare(
    `INSERT INTO audit_chains (writer, sequence, hash) VALUES (?, ?, ?)
     ON CONFLICT (writer) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash`,
  )
  const list = database.prepare(
    `UPDATE audit_chains SET referenced = sequence, referenced_at = ? WHERE writer <> ? AND sequence > referenced
     RETURNING writer, sequence, hash`,
  )
  const isListDue = database.prepare(
    `SELECT 1 FROM audit_chains JOIN audit_entries USING (writer, sequence)
     WHERE writer <> ? AND audit_chains.sequence > referenced AND event <> 'heads'
       AND NOT EXISTS (SELECT 1 FROM audit_chains WHERE referenced_at > ?)
     LIMIT 1`,
  )

  return {
    insert: (entry: NewEntry) => void insert.run(...toAuditValues(entry)),

    endOf(writer: string): ChainEnd {
      const row = end.get(writer)
      return row ? { writer, sequence: Number(row.sequence), hash: String(row.hash) } : emptyChain(writer)
    },

    saveEnd: ({ writer, sequence, hash }: ChainEnd) => void saveEnd.run(writer, sequence, hash),

    /** The heads of other chains that no chain lists yet. Marks them as listed. */
    list: (writer: string, at: number) => list.all(at, writer).map(toHead),

    isListDue: (writer: string, at: number) => isListDue.get(writer, at - HEADS_EVERY_MS) !== undefined,
  }
}
