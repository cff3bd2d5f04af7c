import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { BrakeLimits } from '../../src/revocation/mass-brake.ts'
import type { Outbox } from '../../src/revocation/outbox.ts'
import type { Proof } from '../../src/revocation/proof.ts'
import type { Revocation } from '../../src/revocation/revocation.ts'
import type { Room } from '../../src/revocation/schedule.ts'
import type { Reason, Signal } from '../../src/revocation/signal.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import type { Ending } from '../../src/revocation/transitions.ts'
import { openPostgresStore } from '../../src/stores/postgres/store.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { fakeClock } from '../support/clock.ts'
import { startPostgres } from '../support/postgres.ts'
import { temporaryFolder } from '../support/service.ts'
import { aSignal, T0 } from '../support/signals.ts'

interface StoreKind {
  open: (t: Test, massRevocation?: BrakeLimits, outbox?: Outbox) => Promise<RevocationStore>
  /** Makes everything due that waits for `ms`, if the store uses its own clock. */
  pass: (store: RevocationStore, ms: number) => Promise<void>
}

function sqlite(): StoreKind {
  return {
    open: async (t, massRevocation, outbox) =>
      openSqliteStore(join(temporaryFolder(t), 'curfew.db'), fakeClock(T0), undefined, {
        massRevocation,
        outbox,
      }),
    pass: async () => {},
  }
}

async function postgres(t: Test): Promise<StoreKind> {
  const server = await startPostgres(t)
  const urls = new Map<RevocationStore, string>()
  return {
    async open(_t, massRevocation, outbox) {
      const url = await server.createDatabase()
      const options = { connections: 5, clock: fakeClock(T0), log: SILENT }
      const store = await openPostgresStore(url, {
        ...options,
        ...(massRevocation ? { massRevocation } : {}),
        ...(outbox ? { outbox } : {}),
      })
      urls.set(store, url)
      return store
    },
    async pass(store, ms) {
      const statement = 'UPDATE curfew_jobs.job SET start_after = start_after - make_interval(secs => $1)'
      await server.query(urls.get(store) ?? '', statement, [ms / 1000])
    },
  }
}

export const SILENT = { info: () => {}, warn: () => {}, error: () => {} }

/** Opens an empty store and closes it when the test ends. */
export type Opened = (t: Test, massRevocation?: BrakeLimits, outbox?: Outbox) => Promise<RevocationStore>

/** Runs the tests of the `RevocationStore` contract against every store. */
export function eachStore(tests: (t: Test, opened: Opened, pass: StoreKind['pass']) => Promise<void>): void {
  for (const [name, kind] of Object.entries({ sqlite, postgres })) {
    t.test(name, async (t) => {
      const { open, pass } = await kind(t)
      const opened: Opened = async (t, massRevocation, outbox) => {
        const store = await open(t, massRevocation, outbox)
        t.teardown(() => store.close())
        return store
      }
      await tests(t, opened, pass)
    })
  }
}

/** The given room for each reason. */
export function room(security: number, logout: number, expired: number): Record<Reason, Room> {
  const of = (total: number): Room => ({ total, perTenant: 100, exceptions: new Map() })
  return { security: of(security), logout: of(logout), 'session-expired': of(expired) }
}

export const PROOF: Proof = {
  at: T0,
  pages: 1,
  listings: 1,
  client: 'c',
  scope: 'admin_classic',
  role: 'tenant-admin',
  userExists: true,
}
export const TOKENS = { revoked: 2, alreadyGone: 1, kept: 0, remaining: 3 }
export const FAILURE = { code: 'CURFEW_QLIK_UNAVAILABLE', detail: 'no answer' } as const

/** A completion, by default with a proof and confirmed. */
export function aCompletion({
  verified = true,
  ...different
}: Partial<Extract<Ending, { status: 'completed' }>> & { verified?: boolean } = {}): Ending {
  const found = { tokens: TOKENS, undecided: 0, resolved: ['u1'] }
  const proof = verified ? PROOF : null
  const ended = { outcome: 'revoked', proof, verificationDueAt: null, completedAt: T0 } as const
  return { status: 'completed', ...found, ...ended, ...different }
}

/** A failure. */
export function aFailure(completedAt = T0): Ending {
  return { status: 'failed', tokens: TOKENS, undecided: 0, resolved: [], error: FAILURE, completedAt }
}

export async function accept(
  store: RevocationStore,
  different: Partial<Signal> & { userId?: string } = {},
): Promise<Revocation> {
  const { revocations } = await store.accept([aSignal(different)], null, T0)
  return existing(revocations[0])
}

export function claim(store: RevocationStore, now = T0): Promise<Revocation[]> {
  return store.claim({ now, room: room(10, 10, 10) })
}

/** The state of a revocation that is put back until `nextAttemptAt`. */
export function waiting(revocation: Revocation, nextAttemptAt: number | null) {
  const backoffMs = nextAttemptAt === null ? null : nextAttemptAt - T0
  return { ...revocation, tokens: TOKENS, error: FAILURE, nextAttemptAt, backoffMs }
}

/** Asserts that a revocation, or part of one, exists. */
export function existing<T>(revocation: T | null | undefined): T {
  if (revocation === null || revocation === undefined) throw new Error('expected a revocation')
  return revocation
}
