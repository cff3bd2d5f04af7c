import t from 'tap'
import { EndedSizes } from '../../src/revocation/ended-sizes.ts'
import { completionAt, hindranceOf, type Outlook } from '../../src/revocation/estimate.ts'
import type { Revocation } from '../../src/revocation/revocation.ts'
import { TenantQueue } from '../../src/revocation/tenant-queue.ts'
import { tenantStatus } from '../../src/revocation/tenant-status.ts'
import { newRevocation } from '../../src/revocation/transitions.ts'
import { aSignal, T0 } from '../support/signals.ts'

const MINUTE = 60_000
const tokens = (remaining: number) => ({ revoked: 0, alreadyGone: 0, kept: 0, remaining })

/** Ten revoking calls and a hundred reads a minute, none of which are used. */
const OUTLOOK: Outlook = {
  freeAt: (kind, calls) => T0 + Math.max(0, Math.floor((calls - 1) / (kind === 'reads' ? 100 : 10))) * MINUTE,
  permits: 10,
  permitsPerWindow: 10,
  nextPermitAt: null,
  blockedUntil: { reads: null, revocations: null },
  isRefused: false,
}

const group = (id: string, size: number | null, count = 1) =>
  ({ tenant: 'default', reason: 'logout', isRunning: false, size, id, count }) as const

function minutesUntil(different: Partial<Revocation>, queue: TenantQueue, remaining: number | null = null) {
  const revocation = { ...newRevocation('5', aSignal()), ...different }
  const at = completionAt({ revocation, remaining, queue, outlook: OUTLOOK })
  return at === null ? null : (at - T0) / MINUTE
}

t.test(
  'the estimate is when the budget allows as many calls as the place in the order requires',
  async (t) => {
    const queue = new TenantQueue([group('1', 8), group('5', 15), group('6', 100)])
    for (const [what, revocation, remaining, minutes] of [
      ['queued behind 8 tokens', { size: 15 }, null, 2],
      ['without tokens', { size: 0 }, null, 0],
      ['not counted: the median of the others', { size: null }, null, 2],
      ['running: those that remain', { status: 'running', size: 90, tokens: tokens(3) }, null, 0],
      ['running: the run knows better', { status: 'running', tokens: tokens(20) }, 2, 0],
      ['not before the next attempt', { size: 15, nextAttemptAt: T0 + 7 * MINUTE }, null, 7],
      ['less urgent than the others', { size: 1, reason: 'session-expired' }, null, 12],
      ['more urgent', { size: 1, reason: 'security' }, null, 0],
      ['held', { status: 'held' }, null, null],
      ['completed', { status: 'completed' }, null, null],
      ['failed', { status: 'failed' }, null, null],
    ] as const)
      t.equal(minutesUntil(revocation, queue, remaining), minutes, what)
  },
)

t.test('a user who is not listed yet waits for reads', async (t) => {
  const without = new Map([[0, 1]])
  const queue = new TenantQueue([group('1', 0, 200), group('5', null)], without)
  t.equal(minutesUntil({ size: null }, queue), 2)
  t.equal(queue.reads, 200)
})

t.test('ended revocations are the measure for users whose tokens are not counted', async (t) => {
  const ended = new EndedSizes()
  for (const size of [2, 2, 8])
    ended.note({ tenant: 'acme', tokens: { revoked: size - 1, alreadyGone: 1, kept: 9, remaining: 0 } })
  t.same(
    [...ended.of('acme')],
    [
      [2, 2],
      [8, 1],
    ],
  )
  t.equal(ended.of('other').size, 0)
  const queue = new TenantQueue([group('1', null, 3)], ended.of('acme'))
  t.equal(queue.permits, 12, 'their mean')
})

t.test('old sizes count for less than new ones', async (t) => {
  const ended = new EndedSizes()
  const note = (revoked: number, times: number) => {
    for (let index = 0; index < times; index += 1)
      ended.note({ tenant: 'acme', tokens: { revoked, alreadyGone: 0, kept: 0, remaining: 0 } })
  }
  note(1, 10_000)
  note(5, 2_000)
  const sizes = ended.of('acme')
  t.ok((sizes.get(5) ?? 0) > 2 * (sizes.get(1) ?? 0))
})

t.test('why nothing proceeds', async (t) => {
  t.equal(hindranceOf(OUTLOOK, null), null)
  t.equal(hindranceOf(null, null), 'unknown-tenant')
  t.equal(hindranceOf({ ...OUTLOOK, isRefused: true }, 'tenant-failing'), 'client-refused')
  t.equal(hindranceOf(OUTLOOK, 'tenant-failing'), 'tenant-failing')
})

t.test('the status of a tenant', async (t) => {
  const id = '01893e5e-7c00-7000-8000-000000000000'
  const queue = new TenantQueue([group(id, 25), { ...group('1', null), isRunning: true }])
  const status = tenantStatus('acme', queue, { outlook: OUTLOOK, failing: null })
  t.match(status, {
    tenant: 'acme',
    backlog: { logout: { queued: 1, running: 1, knownTokens: 25, uncounted: 1 }, security: { queued: 0 } },
    unended: 2,
    blockedUntil: null,
    oldestQueuedAt: 0x01893e5e7c00,
    hindrance: null,
  })
  t.equal(status.emptyAt, T0 + 4 * MINUTE)
  const blocked = { ...OUTLOOK, blockedUntil: { reads: T0 + 1, revocations: T0 + 2 } }
  t.equal(tenantStatus('acme', queue, { outlook: blocked, failing: null }).blockedUntil, T0 + 2)
  t.match(tenantStatus('acme', queue, { outlook: OUTLOOK, failing: 'tenant-failing' }), {
    emptyAt: null,
    hindrance: 'tenant-failing',
  })
  t.match(tenantStatus('acme', new TenantQueue([]), { outlook: OUTLOOK, failing: 'tenant-failing' }), {
    ...{ unended: 0, emptyAt: null, oldestQueuedAt: null, hindrance: null },
  })
})
