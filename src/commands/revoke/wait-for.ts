import { setTimeout as pause } from 'node:timers/promises'
import type { Batch, CurfewClient, Revocation } from '../../client/client.ts'
import { isUnderWay } from '../batch.ts'

const WAIT_SECONDS = 20
/** A connection of Curfew handles 16 requests at a time. */
const CONCURRENT = 8
const SHORTEST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 10_000
/** The larger a batch, the longer it takes, and the longer it takes to read. */
const PART_OF_ELAPSED_TIME = 20

/**
 * Waits until nothing more happens to a batch without an operator, and returns those of its revocations that have settled,
 * by the ids that they were accepted with. Ends early if `signal` aborts.
 */
export async function waitForBatch(
  client: CurfewClient,
  { id: batch, tenant }: { id: string; tenant: string | undefined },
  ids: readonly string[],
  { onChange, signal }: { onChange: (batch: Batch) => void; signal: AbortSignal },
): Promise<Map<string, Revocation>> {
  const settled = new Map<string, Revocation>()
  if (ids.length === 0) return settled
  try {
    await untilDone(client, { batch, tenant }, { onChange, signal })
    for await (const one of client.revocations({ batch, tenant, limit: 1_000 }))
      if (isSettled(one)) settled.set(one.id, one)
  } catch (error) {
    if (signal.aborted) return settled
    throw error
  }
  // They have joined others, or were superseded.
  const missing = ids.filter((id) => !settled.has(id))
  return new Map([...settled, ...(await waitForAll(client, missing, signal))])
}

async function untilDone(
  client: CurfewClient,
  { batch, tenant }: { batch: string; tenant: string | undefined },
  { onChange, signal }: { onChange: (batch: Batch) => void; signal: AbortSignal },
): Promise<void> {
  const startedAt = performance.now()
  for (;;) {
    const state = await client.batch(batch, { tenant, signal })
    onChange(state)
    if (!isUnderWay(state)) return
    const ms = (performance.now() - startedAt) / PART_OF_ELAPSED_TIME
    await pause(Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, ms)), undefined, { signal })
  }
}

/** Whether nothing more happens to a revocation without an operator. */
function isSettled({ status, verificationDueAt }: Revocation): boolean {
  if (status === 'completed') return verificationDueAt === null
  return status === 'failed' || status === 'cancelled' || status === 'held'
}

/** Waits until all have settled. Those that have not when `signal` aborts are missing. */
async function waitForAll(
  client: CurfewClient,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, Revocation>> {
  const settled = new Map<string, Revocation>()
  const left = [...ids]
  const next = async () => {
    for (let id = left.shift(); id !== undefined && !signal.aborted; id = left.shift()) {
      const revocation = await waitFor(client, id, signal)
      if (!revocation) return
      settled.set(id, revocation)
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
