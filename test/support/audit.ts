import type { AuditLog } from '../../src/revocation/audit/audit-log.ts'
import { sha256 } from '../../src/revocation/audit/chain.ts'
import { Entry, PrivatePart, type StoredEntry } from '../../src/revocation/audit/entry.ts'

/** An entry, with its private part. */
export type ReadEntry = Entry & { personal: Omit<PrivatePart, 'salt'> | null }

/** All entries, in the order of the export. */
export async function storedEntries({ page }: Pick<AuditLog, 'page'>): Promise<StoredEntry[]> {
  const all: StoredEntry[] = []
  for (;;) {
    const some = await page(all.at(-1) ?? null, 100)
    if (some.length === 0) return all
    all.push(...some)
  }
}

/** All entries in the order of time, without those that only concern the chains. */
export async function entriesOf({ audit }: { audit: AuditLog }): Promise<ReadEntry[]> {
  const entries = (await storedEntries(audit)).map(read)
  return entries
    .filter(({ event }) => !['chain-started', 'heads', 'entries-purged'].includes(event))
    .sort((one, other) => one.at - other.at)
}

export function read({ text, private: personal }: StoredEntry): ReadEntry {
  const entry = Entry.parse(JSON.parse(text))
  if (personal === null) return { ...entry, personal: null }
  const { salt, ...rest } = PrivatePart.parse(JSON.parse(personal))
  if (entry.private !== sha256(personal) || !salt)
    throw new Error('The private part does not match its entry.')
  return { ...entry, personal: rest }
}

/** The first broken link of the chains; null if there is none. */
export function brokenLink(all: readonly StoredEntry[], checkpoints: readonly string[] = []): string | null {
  const last = new Map<string, string>()
  for (const { writer, sequence, text, hash } of all) {
    const { previous } = Entry.parse(JSON.parse(text))
    const before = last.get(writer)
    const isFirst =
      before === undefined && (sequence === 1 ? previous === null : checkpoints.includes(String(previous)))
    if ((before !== previous && !isFirst) || sha256(text) !== hash) return `${writer} ${sequence}`
    last.set(writer, hash)
  }
  return null
}
