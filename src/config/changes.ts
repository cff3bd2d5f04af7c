import { isDeepStrictEqual } from 'node:util'
import type { Reloadable } from './types.ts'

/** Names of the entries that a reload added, removed and changed. */
export type NamedChanges = Record<'added' | 'removed' | 'changed', string[]>

/** As `NamedChanges`, for entries that have no name: how many. */
export type CountedChanges = Record<keyof NamedChanges, number>

export interface SenderChanges {
  sources: NamedChanges
  receivers: NamedChanges
  apiKeys: CountedChanges
  webhookSecrets: CountedChanges
}

type Senders = Pick<Reloadable, 'sources' | 'senders' | 'receivers'>

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
    receivers: changesBy(before.receivers.list, after.receivers.list, ({ name }) => name),
    apiKeys: countsOf(apiKeys),
    webhookSecrets: countsOf(webhookSecrets),
  }
}

/** What a reload changes, by the names of the entries; never a secret. For the audit trail. */
export function namedChanges(before: Reloadable, after: Reloadable) {
  const named = <Entry extends { name: string }>(
    list: (config: Reloadable) => readonly Entry[],
    idOf = ({ name }: Entry) => name,
  ): NamedChanges => {
    const entries = [...list(before), ...list(after)]
    const names = new Map(entries.map((entry) => [idOf(entry), entry.name]))
    const { added, removed, changed } = changesBy(list(before), list(after), idOf)
    const namesOf = (ids: string[]) => ids.map((id) => names.get(id) ?? '').sort()
    return { added: namesOf(added), changed: namesOf(changed), removed: namesOf(removed) }
  }
  return {
    apiKeys: named(
      ({ senders }) => senders.apiKeys,
      ({ digest }) => digest,
    ),
    receivers: named(({ receivers }) => receivers.list),
    sources: named(({ sources }) => sources),
    tenants: named(({ tenants }) => tenants),
    webhookSecrets: named(
      ({ senders }) => senders.webhookSecrets,
      ({ secret }) => secret,
    ),
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
