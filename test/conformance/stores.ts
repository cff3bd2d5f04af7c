import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Revocation } from '../../src/revocation/revocation.ts'
import type { Signal } from '../../src/revocation/signal.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import { openSqliteStore } from '../../src/stores/sqlite.ts'
import { temporaryFolder } from '../support/service.ts'
import { aSignal, T0 } from '../support/signals.ts'

const STORES: Record<string, (t: Test) => RevocationStore> = {
  sqlite: (t) => openSqliteStore(join(temporaryFolder(t), 'curfew.db')),
}

/** Opens a store that is empty, and closes it when the test ends. */
export type Opened = (t: Test) => Promise<RevocationStore>

/** Every store keeps the contract of `RevocationStore`: these tests run against each of them. */
export function eachStore(tests: (t: Test, opened: Opened) => Promise<void>): void {
  for (const [name, open] of Object.entries(STORES)) {
    t.test(name, (t) =>
      tests(t, async (t) => {
        const store = open(t)
        t.teardown(() => store.close())
        return store
      }),
    )
  }
}

const SLOTS = { security: 10, logout: 10, 'session-expired': 10 }
export const TOKENS = { revoked: 2, alreadyGone: 1, kept: 0, remaining: 3 }
export const FAILURE = { code: 'CURFEW_QLIK_UNAVAILABLE', detail: 'no answer' } as const

export async function accept(
  store: RevocationStore,
  different: Partial<Signal> & { userId?: string } = {},
): Promise<Revocation> {
  const { revocations } = await store.accept([aSignal(different)], null, T0)
  return existing(revocations[0])
}

export function claim(store: RevocationStore, now = T0): Promise<Revocation[]> {
  return store.claim({ now, slots: SLOTS })
}

/** How a revocation goes back into the queue, until `nextAttemptAt`. */
export function waiting(revocation: Revocation, nextAttemptAt: number | null) {
  return { ...revocation, tokens: TOKENS, error: FAILURE, nextAttemptAt }
}

/** A revocation that must be there. */
export function existing(revocation: Revocation | null | undefined): Revocation {
  if (!revocation) throw new Error('expected a revocation')
  return revocation
}
