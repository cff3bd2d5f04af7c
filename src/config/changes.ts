import { isDeepStrictEqual } from 'node:util'
import type { Reloadable } from './types.ts'

/** Names of the entries that a reload added, removed and changed. */
export interface NamedChanges {
  added: string[]
  removed: string[]
  changed: string[]
}

/** As `NamedChanges`, for entries that have no name: how many. */
export type CountedChanges = Record<keyof NamedChanges, number>

export interface SenderChanges {
  sources: NamedChanges
  apiKeys: CountedChanges
  webhookSecrets: CountedChanges
}

type Senders = Pick<Reloadable, 'sources' | 'senders'>

/**
 * How the senders differ between two configurations. A source counts as changed also if only the content of its secret
 * file changed. A replaced key or secret counts as one added and one removed.
 */
export function senderChanges(before: Senders, after: Senders): SenderChanges {
  const apiKeys = changesBy(before.senders.apiKeys, after.senders.apiKeys, ({ digest }) => digest)
  const webhookSecrets = changesBy(
    before.senders.webhookSecrets,
    after.senders.webhookSecrets,
    ({ secret }) => secret,
  )
  return {
    sources: changesBy(before.sources, after.sources, ({ name }) => name),
    apiKeys: countsOf(apiKeys),
    webhookSecrets: countsOf(webhookSecrets),
  }
}

function changesBy<Entry>(
  before: readonly Entry[],
  after: readonly Entry[],
  idOf: (entry: Entry) => string,
): NamedChanges {
  const earlier = new Map(before.map((entry) => [idOf(entry), entry]))
  const later = new Map(after.map((entry) => [idOf(entry), entry]))
  const kept = [...later.keys()].filter((id) => earlier.has(id))
  return {
    added: [...later.keys()].filter((id) => !earlier.has(id)),
    removed: [...earlier.keys()].filter((id) => !later.has(id)),
    changed: kept.filter((id) => !isDeepStrictEqual(earlier.get(id), later.get(id))),
  }
}

const countsOf = ({ added, removed, changed }: NamedChanges): CountedChanges => ({
  added: added.length,
  removed: removed.length,
  changed: changed.length,
})
