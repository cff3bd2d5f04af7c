import { createHash, timingSafeEqual } from 'node:crypto'

/** Compares two texts. The time taken does not depend on where they differ. */
export function areEqual(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(one), digest(other))
}
