import { randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { HEADS_EVERY_MS } from '../../revocation/audit/audit-log.ts'
import { append, type ChainEnd, emptyChain, type NewEntry } from '../../revocation/audit/chain.ts'
import type { AuditEvent } from '../../revocation/audit/entry.ts'
import { chainStarted, headsListed } from '../../revocation/audit/events.ts'
import { newSalt } from '../../revocation/audit/salt.ts'
import { AUDIT_COLUMNS, toAuditValues, toHead } from '../audit-row.ts'
import type { Companion } from './group-commit.ts'

/**
 * Writes the entries of the audit trail in the transactions of the changes that they record. One chain for each process
 * that has opened the file: transactions run one after the other.
 */
export class SqliteAuditWriting implements Companion {
  readonly writer = randomUUID()
  readonly #isOn: boolean
  readonly #statements: ReturnType<typeof statementsOf>
  /** The end of the chain in the current transaction; null if it must be read. */
  #end: ChainEnd | null = null
  #hasChanged = false

  constructor(database: DatabaseSync, isOn: boolean) {
    this.#isOn = isOn
    this.#statements = statementsOf(database)
  }

  /** Records events in the caller's transaction. */
  note(events: readonly AuditEvent[], at: number): void {
    if (!this.#isOn || events.length === 0) return
    const end = this.#end ?? this.#statements.endOf(this.writer)
    const isNew = end.sequence === 0
    const all = isNew ? [chainStarted(this.#statements.list(this.writer, at)), ...events] : events
    const appended = append(end, all, at, newSalt)
    for (const entry of appended.entries) this.#statements.insert(entry)
    this.#end = appended.end
    this.#hasChanged = true
  }

  /** See `AuditLog.recordHeads`. A chain cannot vouch for its own end, so nothing is recorded without another chain. */
  noteHeads(at: number): void {
    if (!this.#isOn || !this.#statements.isListDue(this.writer, at)) return
    const heads = this.#statements.list(this.writer, at)
    if (heads.length > 0) this.note([headsListed(heads)], at)
  }

  begin(): () => void {
    const [end, hasChanged] = [this.#end, this.#hasChanged]
    return () => {
      this.#end = end
      this.#hasChanged = hasChanged
    }
  }

  beforeCommit(): void {
    if (this.#hasChanged && this.#end) this.#statements.saveEnd(this.#end)
  }

  afterCommit(): void {
    this.#hasChanged = false
  }

  /** Nothing is assumed about a failed commit: the end of the chain is read again. */
  afterFailure(): void {
    this.#end = null
    this.#hasChanged = false
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
