interface Holder {
  id: string
  urgency: number
}

/** User locks: see `RevocationStore.lockUsers`. Kept in memory, because one process uses a file. */
export class UserLocks {
  readonly #holders = new Map<string, Holder>()
  readonly #displaced = new Set<string>()

  lock({ id, tenant }: { id: string; tenant: string }, userIds: readonly string[], urgency: number): boolean {
    const keys = userIds.map((userId) => JSON.stringify([tenant, userId]))
    const others = keys
      .map((key) => this.#holders.get(key))
      .filter((holder) => holder !== undefined && holder.id !== id)
    if (others.some((holder) => holder !== undefined && holder.urgency <= urgency)) return false
    for (const holder of others) if (holder) this.#displaced.add(holder.id)
    for (const key of keys) this.#holders.set(key, { id, urgency })
    return true
  }

  release(id: string): void {
    this.#displaced.delete(id)
    for (const [key, holder] of this.#holders) if (holder.id === id) this.#holders.delete(key)
  }

  /** The runs that lost a user to a more urgent run. */
  displaced(): string[] {
    return [...this.#displaced]
  }
}
