import { CurfewApiError, type CurfewClient, type Revocation, type User } from '../../client/client.ts'

/** Qlik users whose revocations are read: a name that means more is ambiguous. */
const MAX_QLIK_USERS = 5
const LOOK_UP_TIMEOUT_MS = 10_000

export interface Found {
  /** The newest first. */
  revocations: Revocation[]
  /** The Qlik user ids of the name. */
  qlikUsers: string[]
  /** False if Qlik could not be asked for them: revocations under other names may be missing. */
  isComplete: boolean
}

interface Filter {
  tenant: string | undefined
  limit: number
}

/**
 * A user's revocations, whatever name their senders gave: those of the name, and those of the Qlik user ids that it means.
 * These are known from earlier revocations, or Curfew looks them up in Qlik with a dry run.
 */
export async function findRevocations(client: CurfewClient, user: User, filter: Filter): Promise<Found> {
  const named = await search(client, user, filter)
  const known = named.flatMap((one) => one.user.resolved ?? [])
  const lookedUp = user.userId !== undefined || known.length > 0 ? known : await lookUp(client, user, filter)
  const qlikUsers = [...new Set(lookedUp ?? [])].slice(0, MAX_QLIK_USERS)
  const byId = new Map(named.map((one) => [one.id, one]))
  for (const userId of qlikUsers)
    if (userId !== user.userId)
      for (const one of await search(client, { userId }, filter)) byId.set(one.id, one)
  // Ids sort by time of acceptance.
  const newest = [...byId.values()].sort((one, other) => (one.id < other.id ? 1 : -1))
  return { revocations: newest.slice(0, filter.limit), qlikUsers, isComplete: lookedUp !== null }
}

async function search(client: CurfewClient, user: User, { tenant, limit }: Filter): Promise<Revocation[]> {
  const found: Revocation[] = []
  for await (const one of client.revocations({ ...user, tenant, limit })) if (found.push(one) >= limit) break
  return found
}

/** A dry run revokes nothing. Null if the key lacks the role `signal`, or Qlik does not answer in time. */
async function lookUp(client: CurfewClient, user: User, { tenant }: Filter): Promise<string[] | null> {
  try {
    const answer = await client.call<{ user: { resolved?: string[] } }>('POST', '/logout-hook', {
      query: { dryRun: true },
      body: { ...user, tenant },
      idempotencyKey: 'dry-run',
      signal: AbortSignal.timeout(LOOK_UP_TIMEOUT_MS),
    })
    return answer.user.resolved ?? []
  } catch (error) {
    if (error instanceof CurfewApiError) return null
    throw error
  }
}
