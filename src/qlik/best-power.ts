import { POWERS } from '../revocation/qlik-tenant.ts'
import { classOf, eligible, type Member } from './pool.ts'
import type { OwnPower } from './power.ts'

/** A client, and its power. */
export interface Found<M> {
  client: M
  power: OwnPower
}

/**
 * The power of the most powerful client: the first that is found to be proven, otherwise the best. Clients known to be
 * proven are asked first, one after the other, those with the most room first. Rejects only if no client's power can be
 * found.
 * @param roomOf number of calls that a client could start now
 */
export async function bestPower<M extends Member>(
  clients: readonly M[],
  roomOf: (client: M) => number,
  powerOf: (client: M) => Promise<OwnPower>,
): Promise<Found<M>> {
  // What is known of a refused client is out of date.
  const accepted = clients.filter(({ refusedAt }) => refusedAt === null)
  const asked = accepted.length > 0 ? accepted : clients
  // A single client is asked once.
  const best = asked.length === 1 ? [] : eligible(asked, new Set(), roomOf)
  const proven = best.filter((client) => classOf(client) === 'proven')
  for (const client of proven) {
    const power = await powerOf(client).catch(() => null)
    if (power?.power === 'proven') return { client, power }
  }
  return firstProven(asked.map(async (client) => ({ client, power: await powerOf(client) })))
}

/** The first proven result, or else the best. Rejects if all do, with the failure of the first. */
function firstProven<T extends { power: OwnPower }>(results: readonly Promise<T>[]): Promise<T> {
  return new Promise((resolve, reject) => {
    for (const result of results) {
      result.then(
        (found) => {
          if (found.power.power === 'proven') resolve(found)
        },
        () => {},
      )
    }
    Promise.allSettled(results).then((all) => {
      const found = all.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
      found.sort((one, other) => POWERS.indexOf(one.power.power) - POWERS.indexOf(other.power.power))
      if (found[0]) resolve(found[0])
      else reject(all[0]?.status === 'rejected' ? all[0].reason : new Error('no client'))
    })
  })
}
