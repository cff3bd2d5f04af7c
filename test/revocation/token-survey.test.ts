import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Allowance } from '../../src/revocation/survey-plan.ts'
import { Worker } from '../../src/revocation/worker.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { SILENT } from '../conformance/stores.ts'
import { openRuns } from '../support/runs.ts'
import { temporaryFolder } from '../support/service.ts'
import { aSignal, T0 } from '../support/signals.ts'

const WINDOW_MS = 300_000
/** Deletes that the tenant allows in a window. */
const LIMIT = 500

/** A worker with four runs by age. */
async function setUp(t: Test) {
  const runs = await openRuns(t)
  const { clock, qlik, sandbox } = runs
  const store = openSqliteStore(join(temporaryFolder(t), 'curfew.db'), clock)
  const allowance = (): Allowance => {
    const since = clock.now() - WINDOW_MS
    const recent = sandbox.tenant.calls.filter(({ at }) => at > since)
    const permits = recent.filter(({ route }) => route === 'revoke' || route === 'token').length
    const reads = 5_000 - (recent.length - permits)
    return { permitsPerWindow: LIMIT, permits: LIMIT - permits, readsPerWindow: 5_000, reads }
  }
  const ended = new Set<string>()
  let onEnded = () => {}
  const worker = new Worker({
    store,
    tenants: { get: () => qlik },
    ...{ clock, log: SILENT, random: () => 0.5, runsPerTenant: () => 4, allowance },
    onEnded: ({ user }) => {
      ended.add(user.value)
      onEnded()
    },
    onConfirmed: () => {},
    onEndedElsewhere: () => {},
  })
  t.teardown(async () => {
    await worker.stop()
    await store.close()
  })
  return {
    worker,
    ended,
    listings: () => sandbox.tenant.calls.filter(({ route }) => route === 'list').length,
    calls: () => sandbox.tenant.calls,
    /** Number of windows that have passed. */
    windows: () => Math.floor((clock.now() - T0) / WINDOW_MS),
    /** Users with these numbers of tokens, whose sessions end one after the other. */
    async logOut(sizes: readonly number[]) {
      const users = sizes.map((size) => runs.userWithTokens(size).id)
      const signals = users.map((userId, age) => aSignal({ userId, acceptedAt: T0 - 1_000 + age }))
      await store.accept(signals, null, T0)
      worker.wake()
      return users
    },
    /** Moves the clock until these users have no tokens left. */
    async untilEnded(users: readonly string[]) {
      const { promise, resolve } = Promise.withResolvers<void>()
      onEnded = () => {
        if (users.every((user) => ended.has(user))) resolve()
      }
      onEnded()
      await runs.drive(promise)
    },
  }
}

t.test('users with few tokens precede those with many; users without tokens wait for nobody', async (t) => {
  const { worker, ended, logOut, untilEnded, windows } = await setUp(t)
  const many = await logOut(Array(8).fill(300))
  const few = await logOut(Array(40).fill(1))
  const none = await logOut(Array(30).fill(0))
  await worker.start()
  await untilEnded(none)
  t.equal(windows(), 0)
  await untilEnded(few)
  t.ok(windows() <= 1, 'the first window is used before the sizes are known')
  t.ok(many.filter((user) => ended.has(user)).length < 4)
})

t.test('while the budget suffices, nothing is counted', async (t) => {
  const { worker, logOut, untilEnded, listings } = await setUp(t)
  const users = await logOut(Array(30).fill(3))
  await worker.start()
  await untilEnded(users)
  t.equal(listings(), 2 * users.length, 'each user is listed before and after the deletes')
})

t.test('a logout during a long drain is served in the next window', async (t) => {
  const { worker, logOut, untilEnded, windows } = await setUp(t)
  const first = await logOut([1])
  await logOut(Array(8).fill(1_600))
  await worker.start()
  await untilEnded(first)
  await untilEnded(await logOut([1]))
  t.ok(windows() <= 1)
})

t.test('users who fit into the next window are listed before it opens, and get its permits', async (t) => {
  const { worker, logOut, untilEnded, windows, calls } = await setUp(t)
  await logOut(Array(8).fill(300))
  const few = await logOut(Array(400).fill(1))
  await worker.start()
  await untilEnded(few)
  t.equal(windows(), 1)
  // A call takes less than a second.
  const before = calls().filter(({ at }) => at < T0 + WINDOW_MS - 1_000)
  t.equal(
    before.filter(({ route }) => route === 'revoke').length,
    LIMIT - 1,
    'one call was for the access token',
  )
  const listings = before.filter(({ route }) => route === 'list').length
  t.ok(listings > few.length, `${listings} listings`)
  // The tenth that is reserved for the oldest, as far as it was used.
  const ofMany = calls().filter(({ route }) => route === 'revoke').length - LIMIT - few.length
  t.ok(ofMany <= LIMIT / 10, `${ofMany} permits of the second window went to users with many tokens`)
})
