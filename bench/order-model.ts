import { nextInLine } from '../src/revocation/schedule.ts'

/** The same numbers in each run (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Tokens per user: 60 % have 1, 25 % 2, 10 % 3 to 5, 4 % 6 to 20, 1 % 100 to 1,000; in random order. */
export function heavyTail(users: number, seed = 1): number[] {
  const random = randomFrom(seed)
  const between = (low: number, high: number) => low + Math.floor(random() * (high - low + 1))
  const sizes = Array.from({ length: users }, (_, index) => {
    const part = (index + 0.5) / users
    if (part < 0.6) return 1
    if (part < 0.85) return 2
    if (part < 0.95) return between(3, 5)
    return part < 0.99 ? between(6, 20) : between(100, 1_000)
  })
  return sizes
    .map((size) => ({ size, key: random() }))
    .sort((one, other) => one.key - other.key)
    .map(({ size }) => size)
}

/** Permits per window of `windowMs`. */
export interface Limit {
  permits: number
  windowMs: number
  /** Permits used before, such as the one for the access token. */
  used?: number
}

/** When the nth permit (1 is the first) is available: T(n) = ⌊(n − 1) / C⌋ · W. */
export function availableAt(nth: number, { permits, windowMs, used = 0 }: Limit): number {
  return Math.floor((nth + used - 1) / permits) * windowMs
}

/**
 * Deletes all tokens, one permit after the other.
 * @param choose index of the next user among those with tokens left, given in order of age
 * @returns the number of permits after which each user has no token left
 */
export function drain(
  sizes: readonly number[],
  choose: (waiting: readonly { remaining: number; since: number }[], granted: number) => number,
): number[] {
  const doneAt: number[] = sizes.map(() => 0)
  const waiting = sizes.flatMap((remaining, since) => (remaining > 0 ? [{ remaining, since }] : []))
  for (let granted = 0; waiting.length > 0; granted += 1) {
    const index = choose(waiting, granted)
    const user = waiting[index]
    if (!user) throw new Error('No user was chosen.')
    user.remaining -= 1
    if (user.remaining > 0) continue
    doneAt[user.since] = granted + 1
    waiting.splice(index, 1)
  }
  return doneAt
}

export const fewestFirst = (waiting: readonly { remaining: number }[]) =>
  waiting.reduce((best, { remaining }, i) => (remaining < (waiting[best]?.remaining ?? 0) ? i : best), 0)

/** The fewest tokens first, and every tenth permit for the oldest: Curfew's rule, if all sizes are known. */
export const withReserve = (waiting: readonly { remaining: number; since: number }[], granted: number) =>
  nextInLine(
    waiting.map((place) => ({ urgency: 0, place })),
    granted,
  )

/** Nine of ten permits for the fewest tokens, every tenth for the oldest. Equal to `withReserve`, but faster. */
export function reserved(sizes: readonly number[], every = 10): number[] {
  const remaining = [...sizes]
  const doneAt: number[] = sizes.map(() => 0)
  const fewest = [...sizes.keys()].sort((a, b) => (sizes[a] ?? 0) - (sizes[b] ?? 0))
  let left = sizes.filter((size) => size > 0).length
  let oldest = 0
  let next = 0
  for (let granted = 0; left > 0; granted += 1) {
    while (remaining[oldest] === 0) oldest += 1
    while (remaining[fewest[next] ?? 0] === 0) next += 1
    const smallest = fewest[next] ?? 0
    // The oldest may have fewer tokens left than the next in order of its original size.
    const first = (remaining[oldest] ?? 0) <= (remaining[smallest] ?? 0) ? oldest : smallest
    const user = (granted + 1) % every === 0 ? oldest : first
    remaining[user] = (remaining[user] ?? 0) - 1
    if (remaining[user] > 0) continue
    doneAt[user] = granted + 1
    left -= 1
  }
  return doneAt
}

export const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
