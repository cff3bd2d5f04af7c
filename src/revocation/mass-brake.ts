import type { Origin } from './origin.ts'
import type { Signal } from './signal.ts'

export interface BrakeLimits {
  /** Number of different users that one sender may name within the window; 0 for no limit. */
  users: number
  windowMs: number
}

export const NO_BRAKE: BrakeLimits = { users: 0, windowMs: 0 }

/** `hold`: the sender has named more users than the limit. */
export type Verdict = 'run' | 'hold'

/** Users that a sender has named, as bytes for the store: 6 bytes each, derived from a hash of the name. */
export interface NamedUsers {
  sender: string
  users: Buffer
}

/** The users that one sender has named, each with the time. */
interface Named {
  /** Oldest first. At most one more than the limit: older ones make no difference. */
  times: Map<number, number>
  /** Users whose current time is not in the store. */
  unsaved: Set<number>
}

/** Precise enough: with a million users, two of them share a number in one case of 500. */
const USER_BYTES = 6
/** A user named again within this part of the window keeps its time, so that only few are stored again. */
const REFRESHED_AFTER = 1 / 8
/** Senders that have named fewer users than this part of the limit are not stored: most senders never come close to the limit. */
const STORED_FROM = 1 / 20
/** Requests reach the store in another order than they arrive, but not by more than this. */
const OUT_OF_ORDER_MS = 10_000
/** About 80 MB. Beyond it, the senders that were idle for longest are forgotten. */
const MOST_USERS = 1_000_000

/**
 * Counts how many different users each sender names within a window, and decides which signals are held. Beyond the
 * limit, every signal of the sender is held, until it has named no more users than the limit within one window. Held
 * users count, so that a sender cannot pass by waiting for the window.
 *
 * Performs no I/O. A store saves `unsaved` in the transaction of the signals. Later and other processes read it back
 * and pass it to `learn`. Up to 5 % of the limit per process is not saved.
 */
export class MassBrake {
  readonly #limits: BrakeLimits
  /** Senders, the one that was idle for longest first. */
  readonly #senders = new Map<string, Named>()
  readonly #toSave = new Set<string>()
  #users = 0
  #latest = 0
  #latestSender: string | null = null

  constructor(limits: BrakeLimits) {
    this.#limits = limits
  }

  /**
   * Counts the user of a signal. Exempt senders, and Curfew itself, are not counted.
   * @param now ms since the epoch
   */
  judge(origin: Origin | undefined, signal: Pick<Signal, 'tenant' | 'user'>, now: number): Verdict {
    if (!origin || origin.massRevocation === true || this.#limits.users === 0) return 'run'
    const sender = senderId(origin)
    const named = this.#note(sender, numberOf(signal), now)
    if (named.unsaved.size > 0 && named.times.size > this.#limits.users * STORED_FROM)
      this.#toSave.add(sender)
    return named.times.size > this.#limits.users ? 'hold' : 'run'
  }

  /** Adds users from the store. */
  learn({ sender, users }: NamedUsers, namedAt: number, now: number): void {
    if (now - namedAt >= this.#limits.windowMs) return
    const named = this.#of(sender, now)
    for (let at = 0; at < users.length; at += USER_BYTES) {
      const user = users.readUIntBE(at, USER_BYTES)
      if ((named.times.get(user) ?? Number.NEGATIVE_INFINITY) >= namedAt) continue
      this.#set(named, user, namedAt)
      named.unsaved.delete(user)
    }
  }

  /** What must be saved with the current signals. Pass it to `saved` once it is durable. */
  unsaved(): NamedUsers[] {
    return [...this.#toSave].flatMap((sender) => {
      const users = this.#senders.get(sender)?.unsaved ?? []
      return toBytes(sender, [...users])
    })
  }

  saved(all: readonly NamedUsers[]): void {
    for (const { sender, users } of all) {
      const unsaved = this.#senders.get(sender)?.unsaved
      for (let at = 0; at < users.length; at += USER_BYTES) unsaved?.delete(users.readUIntBE(at, USER_BYTES))
      if (!unsaved || unsaved.size === 0) this.#toSave.delete(sender)
    }
  }

  #note(sender: string, user: number, now: number): Named {
    const named = this.#of(sender, now)
    const knownAt = named.times.get(user)
    if (knownAt !== undefined && now - knownAt < this.#limits.windowMs * REFRESHED_AFTER) return named
    this.#set(named, user, now)
    named.unsaved.add(user)
    return named
  }

  #set(named: Named, user: number, at: number): void {
    if (named.times.delete(user)) this.#users -= 1
    named.times.set(user, at)
    this.#users += 1
    if (named.times.size <= this.#limits.users + 1) return
    const [oldest] = named.times.keys()
    if (oldest !== undefined) this.#forget(named, oldest)
  }

  #forget(named: Named, user: number): void {
    named.times.delete(user)
    named.unsaved.delete(user)
    this.#users -= 1
  }

  /** The users that a sender has named within the window. */
  #of(sender: string, now: number): Named {
    this.#advance(now)
    const named = this.#senders.get(sender) ?? { times: new Map(), unsaved: new Set() }
    if (sender !== this.#latestSender) {
      this.#latestSender = sender
      this.#senders.delete(sender)
      this.#senders.set(sender, named)
      if (this.#users > MOST_USERS) this.#forgetIdle(sender)
    }
    this.#expire(named, now)
    return named
  }

  #expire(named: Named, now: number): void {
    for (const [user, at] of named.times) {
      if (now - at < this.#limits.windowMs) return
      this.#forget(named, user)
    }
  }

  /** If the clock was set back, times would lie in the future and would not expire: they are set back, too. */
  #advance(now: number): void {
    const ms = this.#latest - now
    if (ms <= OUT_OF_ORDER_MS) {
      this.#latest = Math.max(this.#latest, now)
      return
    }
    this.#latest = now
    for (const { times } of this.#senders.values()) for (const [user, at] of times) times.set(user, at - ms)
  }

  #forgetIdle(busy: string): void {
    for (const [sender, { times }] of this.#senders) {
      if (this.#users <= MOST_USERS || sender === busy) return
      this.#users -= times.size
      this.#senders.delete(sender)
      this.#toSave.delete(sender)
    }
  }
}

/** Identifies the sender whose users are counted. */
function senderId({ kind, id }: Origin): string {
  return `${kind} ${id}`
}

/** cyrb53 by bryc, cut to 48 bits: a cryptographic digest takes ten times as long, and nobody gains by a collision. */
function numberOf({ tenant, user: { kind, value } }: Pick<Signal, 'tenant' | 'user'>): number {
  let [high, low] = [0xdeadbeef, 0x41c6ce57]
  for (const text of [tenant, kind, value]) {
    for (let at = 0; at < text.length; at += 1) {
      const unit = text.charCodeAt(at)
      high = Math.imul(high ^ unit, 2_654_435_761)
      low = Math.imul(low ^ unit, 1_597_334_677)
    }
    // Separates the texts.
    high = Math.imul(high ^ 0x1_0000, 2_654_435_761)
    low = Math.imul(low ^ 0x1_0000, 1_597_334_677)
  }
  high = Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909)
  low = Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909)
  return 2 ** 32 * (low & 0xffff) + (high >>> 0)
}

function toBytes(sender: string, numbers: readonly number[]): NamedUsers[] {
  if (numbers.length === 0) return []
  const users = Buffer.allocUnsafe(numbers.length * USER_BYTES)
  for (const [index, number] of numbers.entries()) users.writeUIntBE(number, index * USER_BYTES, USER_BYTES)
  return [{ sender, users }]
}
