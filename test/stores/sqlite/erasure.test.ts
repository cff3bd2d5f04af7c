import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openSqliteStore } from '../../../src/stores/sqlite/store.ts'
import { aCompletion, claim } from '../../conformance/stores.ts'
import { fakeClock } from '../../support/clock.ts'
import { temporaryFolder } from '../../support/service.ts'
import { AN_ORIGIN, aSignal, T0 } from '../../support/signals.ts'

t.test('an erased name is nowhere in the files', async (t) => {
  const folder = temporaryFolder(t)
  const store = openSqliteStore(join(folder, 'curfew.db'), fakeClock(T0))
  const of = { tenant: 'default', source: 'op', isOnly: true }
  const user = { kind: 'email', value: 'ann@example.com' } as const
  for (let count = 0; count < 20; count += 1) {
    const replay = { key: `k${count}`, fingerprint: null }
    await store.accept([aSignal({ user }), aSignal({ userId: `u${count}` })], replay, T0, AN_ORIGIN)
    await store.noteSession(of, { sid: `sid-of-ann-${count}`, user, expiresAt: T0 + 1_000 }, AN_ORIGIN)
    for (const running of await claim(store)) {
      const resolved = running.user.kind === 'email' ? ['qlik-ann'] : [running.user.value]
      await store.progress(running.id, running.tokens)
      await store.end(running.id, aCompletion({ resolved }))
    }
  }
  t.match(await store.audit.erase({ tenant: 'default', user }, T0), { pending: 0, sessions: 20, replays: 20 })
  await store.close()
  for (const file of readdirSync(folder)) {
    const text = readFileSync(join(folder, file), 'latin1')
    for (const name of ['ann@example.com', 'sid-of-ann', 'qlik-ann'])
      t.notOk(text.includes(name), `${file} ${name}`)
  }
})
