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
  const lookupOnce = oneAtATime(lookup)
  return (hostname, options, callback) => {
    lookupOnce(hostname, (error, addresses) => {
      if (error) return callback(error, [])
      const usable = addresses.filter(({ address }) => isAllowedAddress(address, allowed))
      const [first] = usable
      if (!first) return callback(new RefusedAddress(), [])
      if (options.all) callback(null, usable)
      else callback(null, first.address, first.family)
    })
  }
}

type LookedUp = Parameters<LookupAll>[2]

/** Concurrent lookups of a name share one: the system's run on four threads, which lookups of Qlik Cloud need, too. */
function oneAtATime(lookup: LookupAll): (hostname: string, callback: LookedUp) => void {
  const waiting = new Map<string, LookedUp[]>()
  return (hostname, callback) => {
    const others = waiting.get(hostname)
    if (others) return void others.push(callback)
    const callbacks = [callback]
    waiting.set(hostname, callbacks)
    lookup(hostname, { all: true }, (...result) => {
      waiting.delete(hostname)
      for (const one of callbacks) one(...result)
    })
  }
}
