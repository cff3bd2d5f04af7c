import { randomBytes } from 'node:crypto'

/** Creates an id for an object created at `issuedAt` (ms since the epoch). */
export type ObjectIds = (issuedAt: number) => string

/**
 * Creates ids in the format of Qlik's examples: 24 hex digits that begin with 8 for the creation time in seconds, like a
 * MongoDB ObjectId. The rest is a random value per generator and a counter.
 *
 * Source: https://qlik.dev/authenticate/oauth/manage-oauth-tokens/ (the token id and its `lastUsed`)
 */
export function createObjectIds(): ObjectIds {
  const origin = randomBytes(5).toString('hex')
  let count = 0
  return (issuedAt) => {
    count = (count + 1) % 0x1000000
    return hex(Math.floor(issuedAt / 1000), 8) + origin + hex(count, 6)
  }
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}
