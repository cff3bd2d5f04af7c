import { lookup as systemLookup } from 'node:dns'
import type { BlockList, LookupFunction } from 'node:net'
import { isAllowedAddress } from '../base/public-addresses.ts'

/** The name resolves only to addresses that are not allowed. */
export class RefusedAddress extends Error {}

/** Resolves a name to all its addresses. */
export type LookupAll = (
  hostname: string,
  options: { all: true },
  callback: (error: Error | null, addresses: { address: string; family: number }[]) => void,
) => void

/**
 * A lookup for connections that returns only addresses that are public or allowed. The connection is made to what was
 * checked: a name that resolves to another address a moment later (DNS rebinding) gains nothing.
 */
export function publicLookup(allowed: BlockList, lookup: LookupAll = systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { all: true }, (error, addresses) => {
      if (error) return callback(error, [])
      const usable = addresses.filter(({ address }) => isAllowedAddress(address, allowed))
      const [first] = usable
      if (!first) return callback(new RefusedAddress(), [])
      if (options.all) callback(null, usable)
      else callback(null, first.address, first.family)
    })
  }
}
