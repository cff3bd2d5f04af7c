import fc from 'fast-check'
import t, { type Test } from 'tap'
import { DELIVERY_WINDOW_MS } from '../../../src/revocation/replay.ts'
import type { Revocation } from '../../../src/revocation/revocation.ts'
import type { Signal } from '../../../src/revocation/signal.ts'
import { signalTimeOf } from '../../../src/revocation/signal-time.ts'
import type { RevocationStore } from '../../../src/revocation/store.ts'
import type { Confirmation } from '../../../src/revocation/transitions.ts'
import { toRevocation, toRow } from '../../../src/stores/rows.ts'
import {
  aCompletion,
  accept,
  aFailure,
  claim,
  existing,
  PROOF,
  room,
  SILENT,
  TOKENS,
  waiting,
} from '../../conformance/stores.ts'
import { anyRevocation } from '../../support/arbitrary.ts'
import { startPostgres } from '../../support/postgres.ts'
import { type PreviousVersion, previousIsMissing, previousVersion } from '../../support/previous-version.ts'
import { AN_ORIGIN, aSignal, T0 } from '../../support/signals.ts'
import { jobTables } from './job-tables.ts'

/** The used part of the store of the previous version. */
interface PreviousStore
  extends Pick<RevocationStore, 'accept' | 'claim' | 'putBack' | 'get' | 'list' | 'purge'> {
  complete(id: string, completion: object): Promise<boolean>
  retry(id: string): Promise<Revocation | null>
  noteSession(session: object): Promise<void>
  forgetSession(tenant: string, sid: string): Promise<void>
  close(): Promise<void>
}

const MEASURED = { tenant: { earliest: T0, latest: T0 + 1_000 }, open: null, unlinked: false }
const PROVEN: Confirmation = { found: 'nothing', proof: PROOF, kept: 0, undecided: 0, resolved: ['u1'] }
const COMPLETION = { outcome: 'revoked', verified: true, tokens: TOKENS, completedAt: T0 }

/** A store of the previous version, and one of this version, which has migrated their database. */
async function sideBySide(
  t: Test,
  previous: PreviousVersion,
  server: Awaited<ReturnType<typeof startPostgres>>,
) {
  const { url, open, query, lose } = await jobTables(t, server)
  const { openPostgresStore } = await previous.load('stores/postgres.ts')
  const older: PreviousStore = await openPostgresStore(url, { connections: 4, now: () => T0, log: SILENT })
  t.teardown(() => older.close())
  const before = await acceptAt(older, { userId: 'before' })
  await claimOf(older)
  const newer = await open()
  return {
    older,
    newer,
    /** A run that the older version started before the newer one. */
    before,
    query,
    lose,
    acceptMeasured: (userId = 'u1') => accept(newer, { userId, signalTime: MEASURED }),
    confirmations: () => newer.claimConfirmations({ now: T0, room: room(0, 10, 0).logout }),
  }
}

const isKnownToEarlier = ({ status }: Revocation) => !['held', 'cancelled'].includes(status)

async function acceptAt(
  store: Pick<RevocationStore, 'accept'>,
  different: Partial<Signal> & { userId?: string } = {},
): Promise<Revocation> {
  const { revocations } = await store.accept([aSignal(different)], null, T0)
  return existing(revocations[0])
}

const claimOf = (store: Pick<RevocationStore, 'claim'>) => store.claim({ now: T0, room: room(10, 10, 10) })

t.test('a previous version beside this one', { skip: previousIsMissing() }, async (t) => {
  const previous = previousVersion(t)
  const server = await startPostgres(t)
  const setUp = (t: Test) => sideBySide(t, previous, server)

  t.test('each version reads every row of the other', async (t) => {
    const older = await previous.load('stores/rows.ts')
    fc.assert(
      // The other statuses are written only while no replica of the previous version is connected.
      fc.property(anyRevocation.filter(isKnownToEarlier), (revocation) => {
        const read = older.toRevocation(toRow(revocation))
        const { error, ...known } = read
        t.match(revocation, known)
        t.equal(error === null, revocation.error === null)
        t.match(toRevocation(older.toRow(read)), { ...known, verified: Boolean, proof: null })
      }),
      { numRuns: 100 },
    )
  })

  t.test('a signal that it joins with a slow clock has an unknown time', async (t) => {
    const { older, newer, acceptMeasured } = await setUp(t)
    const { id } = await acceptMeasured()
    t.equal((await acceptAt(older, { occurredAt: T0 - 60_000 })).id, id)
    t.match(await newer.get(id), { occurredAt: T0, signalTime: MEASURED })
    t.match(signalTimeOf(existing(await newer.get(id))), { ...MEASURED, unlinked: true })
  })

  t.test('a run of this version passes to it and back, and keeps its time', async (t) => {
    const { older, newer, acceptMeasured, lose } = await setUp(t)
    const { id } = await acceptMeasured()
    await claim(newer)
    await lose()
    const taken = (await claimOf(older)).find((one) => one.id === id)
    t.match(taken, { status: 'running', attempts: 2 })
    await older.putBack(id, waiting(existing(taken), null))
    t.match(signalTimeOf(existing(await newer.get(id))), { unlinked: false })
    t.match(await claim(newer), [{ id, attempts: 3 }])
    t.equal(await newer.end(id, aCompletion()), true)
  })

  t.test('it claims revocations of known size, and this version continues with them', async (t) => {
    const { older, newer, acceptMeasured } = await setUp(t)
    const { id } = await acceptMeasured()
    const other = await acceptMeasured('u2')
    await newer.noteSizes([
      { id, size: 5 },
      { id: other.id, size: 1 },
    ])
    const claimed = await claimOf(older)
    t.same(claimed.map((one) => one.id).sort(), [id, other.id].sort())
    const running = existing(claimed.find((one) => one.id === id))
    await older.putBack(id, waiting(running, null))
    t.match(await newer.get(id), { status: 'queued', size: 5 })
    t.match(await claim(newer), [{ id, size: 5 }])
    t.equal(await older.complete(other.id, COMPLETION), true)
  })

  t.test('a member of a batch that joins a run it puts back is replaced by it', async (t) => {
    const { older, newer, acceptMeasured } = await setUp(t)
    const { id } = await acceptMeasured()
    const taken = existing((await claimOf(older)).find((one) => one.id === id))
    const batch = { tenant: 'default', id: 'b1' }
    await newer.accept([aSignal()], null, T0, AN_ORIGIN, batch)
    t.not((await newer.list({ batch, limit: 1 })).items[0]?.id, id)
    await older.putBack(id, waiting(taken, null))
    t.match(await newer.list({ batch, limit: 2 }), { items: [{ id, status: 'queued' }], nextCursor: null })
  })

  t.test('a revocation of this version that joins a run it puts back makes the time unknown', async (t) => {
    const { older, newer, acceptMeasured } = await setUp(t)
    const { id } = await acceptMeasured()
    const [taken] = await claimOf(older)
    const joining = await acceptMeasured()
    await older.putBack(id, waiting(existing(taken), null))
    t.match(await newer.get(joining.id), { id, status: 'queued' })
    t.match(signalTimeOf(existing(await newer.get(id))), { ...MEASURED, unlinked: true })
  })

  t.test('a revocation that it completes is listed again before it is verified', async (t) => {
    const { older, newer, before, acceptMeasured, confirmations } = await setUp(t)
    const { id } = await acceptMeasured()
    t.match(await claimOf(older), [{ id }])
    for (const one of [before.id, id]) {
      t.equal(await older.complete(one, COMPLETION), true)
      t.match(await newer.get(one), { status: 'completed', verified: false, proof: null })
    }
    const { claimed } = await confirmations()
    t.same(claimed.map((one) => one.id).sort(), [before.id, id].sort())
    for (const one of claimed) {
      await newer.confirm(one.id, PROVEN)
      t.match(await newer.get(one.id), { verified: true, proof: PROOF })
      t.match(await older.get(one.id), { verified: true, status: 'completed' })
    }
    t.match(await confirmations(), { claimed: [] })
  })

  t.test('it retries revocations that this version has ended, and old proofs do not count', async (t) => {
    const { older, newer, acceptMeasured, confirmations } = await setUp(t)
    const [unproven, unconfirmed, failed] = [
      await acceptMeasured('unproven'),
      await acceptMeasured('unconfirmed'),
      await acceptMeasured('failed'),
    ]
    await claim(newer)
    await newer.end(unproven.id, aCompletion({ undecided: 1 }))
    await newer.end(unconfirmed.id, aCompletion({ verificationDueAt: T0 - 60_000 }))
    await newer.end(failed.id, aFailure())
    const other = await acceptMeasured('failed')
    await newer.retry(failed.id, T0)
    t.match(await newer.get(failed.id), { supersededBy: other.id })
    await claim(newer)
    await newer.end(other.id, aFailure())
    await confirmations()
    for (const { id } of [unproven, unconfirmed, failed]) {
      t.match(await older.retry(id), { id, status: 'queued' })
      t.match(await newer.get(id), { proof: null, undecided: 0, supersededBy: null, verificationDueAt: 0 })
    }
    t.equal(await newer.confirm(unconfirmed.id, PROVEN), null, 'its listing comes too late')
    for (const { id } of await claimOf(older)) await older.complete(id, COMPLETION)
    for (const { id } of [unproven, unconfirmed, failed])
      t.match(await newer.get(id), { status: 'completed', verified: false, verificationDueAt: 0 })
  })

  t.test('a request answered by one version gets the same answer from the other', async (t) => {
    const { older, newer } = await setUp(t)
    for (const [first, second] of [
      [older, newer],
      [newer, older],
    ] as const) {
      const key = { key: first === older ? 'of the older one' : 'of the newer one', fingerprint: 'f' }
      const { revocations } = await first.accept([aSignal()], key, T0)
      const again = await second.accept([aSignal()], key, T0)
      t.match(again, { replayed: true, revocations: [{ id: revocations[0]?.id }] })
    }
    const delivery = { key: 'delivery', fingerprint: null, keepUntil: T0 + DELIVERY_WINDOW_MS }
    await newer.accept([aSignal()], delivery, T0)
    const later = T0 + DELIVERY_WINDOW_MS - 60_000
    await older.purge(T0 - 1, later)
    t.match(
      await newer.accept([aSignal()], delivery, later),
      { replayed: true },
      'and it forgets no delivery',
    )
  })

  t.test('a session that it records is valid until this version records it again', async (t) => {
    const { older, newer } = await setUp(t)
    const of = { tenant: 'default', source: 'portal', isOnly: true }
    const user = (value: string) => ({ kind: 'subject' as const, value })
    await older.noteSession({ tenant: 'default', sid: 's', user: user('a'), expiresAt: T0 + 1 })
    t.match(await newer.findSession(of, 's', T0), { user: user('a') })
    await newer.noteSession(of, { sid: 's', user: user('b'), expiresAt: T0 + 1 })
    t.match(await newer.findSession(of, 's', T0), { user: user('b') })
    await older.noteSession({ tenant: 'default', sid: 't', user: user('a'), expiresAt: T0 + 1 })
    await older.forgetSession('default', 't')
    t.equal(await newer.findSession(of, 't', T0), null)
  })

  t.test('it does not fail a run as lost before an upgrade is finished', async (t) => {
    const { older, before, query } = await setUp(t)
    const after = await acceptAt(older, { userId: 'after' })
    const limits = await query('SELECT retry_limit FROM curfew_jobs.job WHERE id = ANY ($1)', [
      [before.id, after.id],
    ])
    t.same(limits, [{ retry_limit: 1_000 }, { retry_limit: 1_000 }])
  })

  t.test('it lists and deletes revocations that this version has ended', async (t) => {
    const { older, newer } = await setUp(t)
    const user = { kind: 'email', value: 'ann@example.com' } as const
    const { id } = await accept(newer, { user })
    await claim(newer)
    await newer.end(id, aCompletion({ resolved: ['u1'] }))
    const { items } = await older.list({ status: 'completed', limit: 10 })
    t.match(items, [{ id, verified: true }])
    t.ok((await older.purge(T0 + 1, T0)) > 0)
    t.equal(await newer.get(id), null)
  })
})
