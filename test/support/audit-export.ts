import { createHash, type KeyObject } from 'node:crypto'
import { append, type ChainEnd, emptyChain, headOf, type NewEntry } from '../../src/revocation/audit/chain.ts'
import { type AuditEvent, Entry, type Head, type StoredEntry } from '../../src/revocation/audit/entry.ts'
import { exportedLine } from '../../src/revocation/audit/exported-line.ts'
import type { Finding } from '../../src/revocation/audit/finding.ts'
import { verifyExport } from '../../src/revocation/audit/verify.ts'

/** An event of the API key `ops`. */
export function anEvent(different: Partial<AuditEvent> = {}): AuditEvent {
  return {
    event: 'signal-accepted',
    by: { kind: 'api-key', name: 'ops', id: '0123456789abcdef' },
    address: '192.0.2.1',
    tenant: 'default',
    revocation: null,
    details: {},
    personal: null,
    ...different,
  }
}

/** An event of Curfew itself. */
export const ownEvent = (event: AuditEvent['event'], details: AuditEvent['details']): AuditEvent =>
  anEvent({ event, details, by: null, address: null, tenant: null })

export const entryOf = ({ text }: Pick<StoredEntry, 'text'>) => Entry.parse(JSON.parse(text))

/** Salts that are the same in every run. */
const saltOf = (text: string) => createHash('sha256').update(text).digest('hex')

/** A trail of several chains, as stores write it. */
export class Trail {
  readonly entries: NewEntry[] = []
  readonly #ends = new Map<string, ChainEnd>()

  /** Appends events to a chain, and returns its head. */
  add(writer: string, ...events: AuditEvent[]): Head {
    const end = this.#ends.get(writer) ?? emptyChain(writer)
    const at = 1_780_000_000_000 + this.entries.length
    let salts = 0
    const appended = append(end, events, at, () => saltOf(`${writer} ${end.sequence} ${salts++}`))
    this.#ends.set(writer, appended.end)
    this.entries.push(...appended.entries)
    const last = appended.entries.at(-1)
    if (!last) throw new Error('expected events')
    return headOf(last)
  }

  /** Starts a chain, or appends `heads`. */
  list(writer: string, heads: readonly Head[]): Head {
    return this.add(
      writer,
      ownEvent(this.#ends.has(writer) ? 'heads' : 'chain-started', { heads: [...heads] }),
    )
  }

  /** The lines of the export: chain by chain. */
  lines(): string[] {
    return this.entries
      .toSorted((one, other) => (entryOf(one).writer < entryOf(other).writer ? -1 : 1))
      .map(exportedLine)
  }
}

/** Verifies lines, in chunks that end anywhere. */
export async function verifyLines(
  lines: readonly string[] | Buffer,
  heads: readonly Head[] = [],
  ...publicKeys: KeyObject[]
) {
  const bytes = Buffer.isBuffer(lines) ? lines : Buffer.from(lines.join(''))
  const findings: Finding[] = []
  async function* open() {
    for (let start = 0; start < bytes.length; start += 997) yield bytes.subarray(start, start + 997)
  }
  const verification = await verifyExport(open, {
    heads,
    publicKeys,
    onFinding: (finding) => void findings.push(finding),
  })
  return { ...verification, found: findings }
}
