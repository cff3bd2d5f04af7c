import t from 'tap'
import type { Revocation } from '../../src/revocation/revocation.ts'
import { newRevocation } from '../../src/revocation/transitions.ts'
import { createFindWait, type KnownLimits } from '../../src/revocation/waiting-for.ts'
import { aSignal, T0 } from '../support/signals.ts'

type Limits = { blocked?: number; blockedReads?: number; reads?: number; revocations?: number }

function waitOf(different: Partial<Revocation>, { blocked, blockedReads, reads, revocations }: Limits) {
  const asked: string[] = []
  const limits: KnownLimits = {
    blockedUntil: (tenant, calls) => {
      asked.push(tenant)
      return (calls === 'reads' ? blockedReads : blocked) ?? null
    },
    usedUpUntil: (_tenant, calls) => (calls === 'reads' ? reads : revocations) ?? null,
  }
  const revocation = { ...newRevocation('id', aSignal({ tenant: 'acme' })), ...different }
  return { wait: createFindWait(limits)(revocation), asked }
}

const remaining = (count: number) => ({ tokens: { revoked: 0, alreadyGone: 0, kept: 0, remaining: count } })
const LIMIT = { what: 'qlik-rate-limit', until: '2026-11-21T12:01:00.000Z' } as const
const BUDGET = { what: 'budget', until: '2026-11-21T12:02:00.000Z' } as const

t.test('what a revocation waits for', async (t) => {
  for (const [what, revocation, limits, wait] of [
    ['no limit is reached', {}, {}, null],
    ['queued, Qlik blocks', {}, { blocked: T0 + 60_000 }, LIMIT],
    ['running, Qlik blocks', { status: 'running' }, { blocked: T0 + 60_000 }, LIMIT],
    ['fractions of a second are rounded up', {}, { blocked: T0 + 59_001 }, LIMIT],
    ['running, Qlik blocks reads', { status: 'running' }, { blockedReads: T0 + 60_000 }, LIMIT],
    ['the later of the two', {}, { blockedReads: T0 + 1_000, blocked: T0 + 60_000 }, LIMIT],
    [
      'completed and confirmed',
      { status: 'completed', verificationDueAt: null },
      { blockedReads: T0 + 60_000, reads: T0 + 60_000 },
      null,
    ],
    [
      'completed, to be confirmed',
      { status: 'completed', verificationDueAt: T0 + 6_000 },
      { blockedReads: T0 + 60_000 },
      LIMIT,
    ],
    [
      'to be confirmed later than that',
      { status: 'completed', verificationDueAt: T0 + 61_000 },
      { blockedReads: T0 + 60_000 },
      null,
    ],
    [
      'to be confirmed, which takes no revoking calls',
      { status: 'completed', verificationDueAt: T0 },
      { blocked: T0 + 60_000 },
      null,
    ],
    ['failed', { status: 'failed' }, { blocked: T0 + 60_000 }, null],
    ['its next attempt comes before', { nextAttemptAt: T0 + 1_000 }, { blocked: T0 + 60_000 }, LIMIT],
    ['its next attempt comes later', { nextAttemptAt: T0 + 61_000 }, { blocked: T0 + 60_000 }, null],
    ['the block takes precedence', {}, { blocked: T0 + 60_000, reads: T0 + 120_000 }, LIMIT],
    ['no reads are left', {}, { reads: T0 + 120_000 }, BUDGET],
    ['no revoking calls are left, for its tokens', remaining(1), { revocations: T0 + 120_000 }, BUDGET],
    ['no revoking calls are left, and it has no token yet', {}, { revocations: T0 + 120_000 }, null],
    ['the later of the two limits', remaining(1), { reads: T0 + 1_000, revocations: T0 + 120_000 }, BUDGET],
  ] as const) {
    t.strictSame(waitOf(revocation, limits).wait, wait, what)
  }
})

t.test('only its own tenant counts', async (t) => {
  t.same(waitOf({}, {}).asked, ['acme', 'acme'])
})

t.test('what keeps everything of a tenant from proceeding comes first', async (t) => {
  const findWait = createFindWait({
    hindranceOf: () => 'tenant-failing',
    blockedUntil: () => T0 + 60_000,
    usedUpUntil: () => null,
  })
  const revocation = newRevocation('id', aSignal())
  t.same(findWait(revocation), { what: 'tenant-failing', until: null })
  t.same(findWait({ ...revocation, nextAttemptAt: T0 + 1 }), {
    what: 'tenant-failing',
    until: '2026-11-21T12:00:01.000Z',
  })
  t.same(findWait({ ...revocation, status: 'completed', verificationDueAt: T0 }), LIMIT)
  t.equal(findWait({ ...revocation, status: 'held' }), null)
})
