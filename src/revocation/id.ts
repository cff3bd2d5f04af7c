import { randomUUID } from 'node:crypto'

/**
 * A UUID version 7 (RFC 9562, section 5.7): 48 bits of time in ms, then random bits. Ids sort by time, which keeps
 * the store's inserts and listing in order.
 * @param now ms since the epoch, an integer
 */
export function uuidv7(now: number): string {
  const time = now.toString(16).padStart(12, '0')
  // The rest comes from a version 4 UUID, variant included: Node generates random bits for many UUIDs at once.
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

/** The lowest id of this time. @param at ms since the epoch */
export function lowestIdAt(at: number): string {
  const time = Math.min(Math.max(Math.ceil(at), 0), 2 ** 48 - 1)
    .toString(16)
    .padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`
}

/** The part of an id that sorts by time: equal for ids of the same ms. */
export function timePartOf(id: string): string {
  return id.slice(0, 13)
}
