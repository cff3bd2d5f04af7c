import { randomBytes } from 'node:crypto'

/** Makes an id for something that was created at `issuedAt` (Unix time in milliseconds). */
export type ObjectIds = (issuedAt: number) => string

/**
 * Ids of the form that Qlik's examples show: 24 hex digits, of which the first 8 are the creation time in
 * seconds, as in a MongoDB ObjectId. The rest is random to the generator, and counts.
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
