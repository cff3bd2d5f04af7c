import { uuidv7 } from '../../src/revocation/id.ts'
import type { Revocation } from '../../src/revocation/revocation.ts'
import { newRevocation } from '../../src/revocation/transitions.ts'
import { toRow } from '../../src/stores/rows.ts'
import { FAILURE, TOKENS } from '../conformance/stores.ts'
import { aSignal, T0 } from '../support/signals.ts'

const ENDED = { tokens: TOKENS, startedAt: T0, completedAt: T0, attempts: 1 }
const TRIED = { attempts: 1, fruitless: 1, error: FAILURE, failingSince: T0 }

/** A revocation in every state of versions without proofs. The user has the name of the state. */
const STATES: Record<string, Partial<Revocation>> = {
  queued: { status: 'queued' },
  waiting: { status: 'queued', ...TRIED, nextAttemptAt: T0 + 1, dueAt: T0 + 1 },
  running: { status: 'running', attempts: 1, startedAt: T0, tokens: TOKENS },
  verified: { ...ENDED, status: 'completed', outcome: 'revoked', verified: true },
  unverified: { ...ENDED, status: 'completed', outcome: 'none-visible' },
  failed: { ...ENDED, status: 'failed', error: FAILURE },
}

/** Each of them as a row of an earlier schema, and the expected revocation after the migration. */
export function earlierRows(columns: readonly string[]) {
  return Object.entries(STATES).map(([name, state]) => {
    const revocation = { ...newRevocation(uuidv7(T0), aSignal({ userId: name })), ...state }
    const cells = Object.entries(toRow(revocation)).filter(([column]) => columns.includes(column))
    const isPending = state.status === 'queued' || state.status === 'running'
    const migrated: Revocation = {
      ...{ ...revocation, verificationDueAt: isPending ? 0 : null, signalTime: null, signalTimeOf: null },
    }
    return { name, id: revocation.id, row: Object.fromEntries(cells), migrated }
  })
}
