import type { UserReference } from '../signal.ts'
import { isSameName, withLowerAscii } from '../user-names.ts'

/** A name in the history of a tenant, with the Qlik user ids that it resolved to at one time. */
export interface Resolution {
  user: UserReference
  qlikUsers: readonly string[]
}

interface Known {
  user: UserReference
  /** The Qlik users that it resolved to, shared by names that differ only in case. */
  ids: Set<string>
  isFollowed: boolean
}

/**
 * Finds all names of a user, from one of them: a name leads to the Qlik user that it resolved to, and a Qlik user to the
 * names that resolved to it. A name that resolved to several Qlik users leads to none of them, because they are different
 * people; only if the search starts with it, their ids belong to the result, without their other names. Names that differ
 * only in case are the same name.
 */
export class NamesOfUser {
  readonly #known = new Map<string, Known>()
  readonly #ids = new Map<string, Set<string>>()
  readonly #start: UserReference
  readonly #followedIds = new Set<string>()

  constructor(start: UserReference) {
    this.#start = start
    this.#add(start)
    if (start.kind === 'userId') this.#followedIds.add(start.value)
  }

  /** In the order in which they were found. */
  all(): UserReference[] {
    return [...this.#known.values()].map(({ user }) => user)
  }

  /** The Qlik users to find the names of. */
  followedIds(): string[] {
    return [...this.#followedIds]
  }

  /** Takes note of a name in the history, if it is one of the user's. */
  note({ user, qlikUsers }: Resolution): void {
    const isNamed = this.all().some((name) => isSameUser(name, user))
    if (!isNamed && (user.kind === 'userId' || !qlikUsers.some((id) => this.#followedIds.has(id)))) return
    const known = this.#add(user)
    if (user.kind !== 'userId') for (const id of qlikUsers) known.ids.add(id)
  }

  /** Follows the names of which all resolutions are noted. @returns whether that adds a name */
  follow(): boolean {
    const before = this.#known.size
    for (const known of [...this.#known.values()]) {
      if (known.isFollowed) continue
      known.isFollowed = true
      const isStart = isSameUser(known.user, this.#start)
      if (known.ids.size > 1 && !isStart) continue
      for (const value of known.ids) {
        this.#add({ kind: 'userId', value })
        if (known.ids.size === 1) this.#followedIds.add(value)
      }
    }
    return this.#known.size > before
  }

  #add(user: UserReference): Known {
    const key = `${user.kind} ${user.value}`
    const known = this.#known.get(key) ?? {
      user: { kind: user.kind, value: user.value },
      ids: this.#idsOf(user),
      isFollowed: false,
    }
    this.#known.set(key, known)
    return known
  }

  #idsOf({ kind, value }: UserReference): Set<string> {
    const key = `${kind} ${kind === 'userId' ? value : withLowerAscii(value)}`
    const ids = this.#ids.get(key) ?? new Set()
    this.#ids.set(key, ids)
    return ids
  }
}

/** Ids are case-sensitive. */
export function isSameUser(one: UserReference, other: UserReference): boolean {
  if (one.kind !== other.kind) return false
  return one.kind === 'userId' ? one.value === other.value : isSameName(one.value, other.value)
}
