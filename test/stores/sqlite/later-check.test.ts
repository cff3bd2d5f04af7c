import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openSqliteStore } from '../../../src/stores/sqlite/store.ts'
import { accept } from '../../conformance/stores.ts'
import { fakeClock } from '../../support/clock.ts'
import { corrupt } from '../../support/corrupt.ts'
import { temporaryFolder } from '../../support/service.ts'
import { aSignal, T0 } from '../../support/signals.ts'

interface Line {
  level: string
  message: string
  detail?: string
}

/** Opens a database of any size as a large one. `next` resolves with the next line of the log. */
function openLarge(t: Test, path: string) {
  const lines: Line[] = []
  let { promise, resolve } = Promise.withResolvers<Line>()
  const next = () => promise
  const to = (level: string) => (details: object, message: string) => {
    const line = { level, message, ...details }
    lines.push(line)
    resolve(line)
    ;({ promise, resolve } = Promise.withResolvers<Line>())
  }
  const log = { info: to('info'), warn: to('warn'), error: to('error') }
  const store = openSqliteStore(path, fakeClock(), log, {
    checkedAtStartBytes: 0,
    massRevocation: { users: 10, windowMs: 60_000 },
  })
  t.teardown(() => store.close())
  return { store, next, lines }
}

async function databaseWithOneSignal(t: Test): Promise<string> {
  const path = join(temporaryFolder(t), 'curfew #1?.db')
  const store = openSqliteStore(path)
  await accept(store, { userId: 'a' })
  await store.close()
  return path
}

t.test('a large database is checked while it is used', async (t) => {
  const path = await databaseWithOneSignal(t)
  const { store, next } = openLarge(t, path)
  const checked = next()
  const many = Array.from({ length: 2_000 }, (_, index) => aSignal({ userId: `u${index}` }))
  await store.accept(many, null, T0)
  t.match(await checked, { level: 'info', message: 'the whole database was checked' })
  await store.check()
  t.throws(() => openSqliteStore(path), { code: 'CURFEW_STORE_LOCKED' }, 'this process still has the lock')
  await store.close()
  const again = openSqliteStore(path)
  t.match(await again.backlog(), [{ status: 'queued', count: 2_001 }], 'nothing is lost')
  await again.close()
})

t.test('damage in a large database is found after the start, and then no signal is accepted', async (t) => {
  const path = await databaseWithOneSignal(t)
  corrupt(path, 'replays_at')
  const { store, next } = openLarge(t, path)
  const { revocations } = await store.accept([aSignal({ userId: 'b' })], null, T0)
  t.equal(revocations.length, 1, 'accepted before the damage is found')
  t.match(await next(), { level: 'error', message: /damaged/, detail: /corrupted/ })
  await t.rejects(store.accept([aSignal()], null, T0), {
    code: 'CURFEW_STORE_UNAVAILABLE',
    message: /corrupted/,
  })
  await t.rejects(store.check(), { message: /corrupted/ }, 'this process finds it, too')
})

t.test('a large database that cannot be read at the start opens, and reports the damage', async (t) => {
  const path = await databaseWithOneSignal(t)
  corrupt(path, 'named_users_at')
  const { store, lines } = openLarge(t, path)
  t.match(lines, [{ level: 'error', message: /damaged/, detail: /corrupted/ }])
  await t.rejects(store.accept([aSignal()], null, T0), { code: 'CURFEW_STORE_UNAVAILABLE' })
})

t.test('a store that closes during the check ends it', async (t) => {
  const path = await databaseWithOneSignal(t)
  const { store, lines } = openLarge(t, path)
  await accept(store, { userId: 'b' })
  await store.close()
  const again = openSqliteStore(path)
  t.match(await again.backlog(), [{ count: 2 }])
  await again.close()
  t.same(lines, [], 'an ended check is neither a success nor a failure')
})
