import type { CurfewClient, Revocation } from '../../client/client.ts'

const WAIT_SECONDS = 20
/** A connection of Curfew handles 16 requests at a time. */
const CONCURRENT = 8

/** Whether nothing more happens to a revocation without an operator. */
export function isSettled({ status, verificationDueAt }: Revocation): boolean {
  if (status === 'completed') return verificationDueAt === null
  return status === 'failed' || status === 'cancelled' || status === 'held'
}

/** Waits until all have settled. Those that have not when `signal` aborts are missing. */
export async function waitForAll(
  client: CurfewClient,
  ids: readonly string[],
  { onChange, signal }: { onChange: (revocation: Revocation) => void; signal: AbortSignal },
): Promise<Map<string, Revocation>> {
  const settled = new Map<string, Revocation>()
  const left = [...ids]
  const next = async () => {
    for (let id = left.shift(); id !== undefined && !signal.aborted; id = left.shift()) {
      const revocation = await waitFor(client, id, signal)
      if (!revocation) return
      settled.set(id, revocation)
      onChange(revocation)
    }
  }
  await Promise.all(Array.from({ length: CONCURRENT }, next))
  return settled
}

async function waitFor(client: CurfewClient, id: string, signal: AbortSignal): Promise<Revocation | null> {
  const path = (one: string) => `/revocations/${encodeURIComponent(one)}`
  let current = id
  for (;;) {
    try {
      const revocation = await client.call<Revocation>('GET', path(current), {
        waitSeconds: WAIT_SECONDS,
        signal,
      })
      if (isSettled(revocation)) return revocation
      current = revocation.supersededBy ?? current
    } catch (error) {
      if (signal.aborted) return null
      throw error
    }
  }
}
