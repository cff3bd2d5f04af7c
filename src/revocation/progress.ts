import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { AuditEvent } from './audit/entry.ts'
import { type RevokedToken, tokenEvents } from './audit/events.ts'
import type { Gone } from './qlik-tenant.ts'
import type { Revocation, TokenCounts } from './revocation.ts'
import type { RevocationStore } from './store.ts'

const INTERVAL_MS = 1_000

export interface ProgressOptions {
  store: Pick<RevocationStore, 'progress'>
  clock: Clock
  log: Log
}

/**
 * Starts storing the counts of a run and the tokens that it revoked, once a second while they change, until `stop` is
 * called. A crash loses only these numbers and names.
 */
export function startProgressWriter(revocation: Revocation, { store, clock, log }: ProgressOptions) {
  const { id } = revocation
  let latest: TokenCounts | null = null
  let revoked: RevokedToken[] = []
  let writing = Promise.resolve()
  let cancelTimer = () => {}

  async function write(tokens: TokenCounts): Promise<void> {
    const recorded = revoked
    revoked = []
    try {
      await store.progress(id, tokens, tokenEvents(revocation, recorded))
    } catch (error) {
      revoked = [...recorded, ...revoked]
      log.warn({ err: error, id }, 'could not store progress')
    }
  }

  function writeLater(): void {
    cancelTimer = clock.after(INTERVAL_MS, () => {
      if (latest) writing = write(latest)
      latest = null
      writeLater()
    })
  }

  writeLater()
  return {
    note(tokens: TokenCounts): void {
      latest = { ...tokens }
    },

    noteRevoked(token: string, how: Gone): void {
      revoked.push({ id: token, answer: how === 'revoked' ? 'revoked' : 'gone', at: clock.now() })
    },

    /** Stops, and returns what must be recorded with the end of the run. */
    async stop(): Promise<AuditEvent[]> {
      cancelTimer()
      await writing
      return tokenEvents(revocation, revoked)
    },
  }
}
