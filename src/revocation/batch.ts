import { hash } from 'node:crypto'
import { z } from 'zod'
import { CurfewError } from '../base/errors.ts'
import { uuidv7 } from './id.ts'
import type { ReplayKey } from './replay.ts'
import type { Signal } from './signal.ts'

/** Names a batch. Clients can choose it, so that the parts of a large request share a batch. It is part of paths. */
export const BatchId = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    'expected 1 to 64 letters, digits, ".", "_" or "-", the first a letter or digit',
  )

/** A batch of revocations. The same id in another tenant is another batch. */
export interface Batch {
  tenant: string
  id: string
}

/** Limits the time in which a batch is read. */
export const MAX_MEMBERS = 100_000

/** @throws CURFEW_BATCH_FULL if a batch with this many members has no room for this many more */
export function requireRoom(members: number, more: number): void {
  if (members + more > MAX_MEMBERS) throw new CurfewError('CURFEW_BATCH_FULL')
}

/** When the signals of a request join a batch: as early as the ids of the revocations that they create. */
export function memberTime(signals: readonly Pick<Signal, 'acceptedAt'>[], now: number): number {
  return signals.reduce((earliest, { acceptedAt }) => Math.min(earliest, acceptedAt), now)
}

/** The id of a batch that the client has not named. A repeated request gets the same one. */
export function newBatchId(replay: ReplayKey | null, now: number): string {
  if (replay === null) return uuidv7(now)
  const digest = hash('sha256', `curfew batch\n${JSON.stringify([replay.key, replay.fingerprint])}`)
  // UUID version 8 (RFC 9562, section 5.8).
  return [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `8${digest.slice(13, 16)}`,
    `8${digest.slice(17, 20)}`,
    digest.slice(20, 32),
  ].join('-')
}
