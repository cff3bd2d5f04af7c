import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import type { SessionSource } from '../../src/revocation/session.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import { openPostgresStore } from '../../src/stores/postgres/store.ts'
import { MIGRATIONS } from '../../src/stores/sqlite/migrations.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { fakeClock } from '../support/clock.ts'
import { startPostgres } from '../support/postgres.ts'
import { temporaryFolder } from '../support/service.ts'
import { T0 } from '../support/signals.ts'
import { SILENT } from './stores.ts'

const ONLY: SessionSource = { tenant: 'default', source: 'op', isOnly: true }
const ONE_OF_SEVERAL: SessionSource = { ...ONLY, isOnly: false }
const session = (sid: string, expiresAt = T0 + 60_000, user = 'u1') => ({
  ...{ sid, expiresAt },
  user: { kind: 'subject' as const, value: user },
})

/** A store in which an earlier version has recorded the sessions `s1` to `s3` without a source. */
type Earlier = (t: Test) => Promise<RevocationStore>

function sqlite(): Earlier {
  return async (t) => {
    const path = join(temporaryFolder(t), 'curfew.db')
    const file = new DatabaseSync(path)
    // The schema of that version, without sources.
    file.exec(`${MIGRATIONS.slice(0, 3).join(';')}; PRAGMA user_version = 3`)
    const note = file.prepare(`INSERT INTO sessions VALUES ('default', ?, 'subject', 'u1', ?)`)
    for (const sid of ['s1', 's2', 's3']) note.run(sid, T0 + 60_000)
    file.close()
    return openSqliteStore(path)
  }
}

async function postgres(t: Test): Promise<Earlier> {
  const server = await startPostgres(t)
  return async () => {
    const url = await server.createDatabase()
    const store = await openPostgresStore(url, { connections: 5, clock: fakeClock(T0), log: SILENT })
    for (const sid of ['s1', 's2', 's3']) await noteAsBefore(server, url, sid)
    return store
  }
}

/** Writes like a replica of the earlier version, which may run alongside new ones. */
function noteAsBefore(server: Awaited<ReturnType<typeof startPostgres>>, url: string, sid: string) {
  return server.query(
    url,
    `INSERT INTO curfew.sessions (tenant, sid, user_kind, user_value, expires_at)
     VALUES ('default', $1, 'subject', 'u1', $2) ON CONFLICT (tenant, sid) DO UPDATE SET expires_at = excluded.expires_at`,
    [sid, T0 + 60_000],
  )
}

for (const [name, kind] of Object.entries({ sqlite, postgres })) {
  t.test(name, async (t) => {
    const earlier = await kind(t)
    const opened = async (t: Test) => {
      const store = await earlier(t)
      t.teardown(() => store.close())
      return store
    }

    t.test('it belongs to the only source until it expires, and to none if there are several', async (t) => {
      const store = await opened(t)
      t.strictSame(await store.findSession(ONLY, 's1', T0 + 59_999), session('s1'))
      t.equal(await store.findSession(ONLY, 's1', T0 + 60_000), null)
      t.equal(await store.findSession(ONLY, 's4', T0), null)
      t.equal(await store.findSession({ ...ONLY, tenant: 'other' }, 's1', T0), null)
      t.equal(await store.findSession(ONE_OF_SEVERAL, 's1', T0), null)
    })

    t.test('recording it again for the only source replaces it', async (t) => {
      const store = await opened(t)
      await store.noteSession(ONLY, session('s1', T0 + 5, 'u2'))
      t.strictSame(await store.findSession(ONLY, 's1', T0), session('s1', T0 + 5, 'u2'))
      t.equal(await store.findSession(ONLY, 's1', T0 + 5), null)
      await store.noteSession(ONE_OF_SEVERAL, session('s2', T0 + 5, 'u2'))
      t.strictSame(
        await store.findSession(ONLY, 's2', T0),
        session('s2', T0 + 5, 'u2'),
        'the newer one counts',
      )
      t.ok(await store.findSession({ ...ONLY, source: 'other' }, 's2', T0), 'whose it was is not known')
    })

    t.test('the only source can forget it', async (t) => {
      const store = await opened(t)
      await Promise.all([store.forgetSession(ONLY, 's1'), store.forgetSession(ONE_OF_SEVERAL, 's2')])
      t.equal(await store.findSession(ONLY, 's1', T0), null)
      t.ok(await store.findSession(ONLY, 's2', T0))
    })

    t.test('purge deletes it when it has expired', async (t) => {
      const store = await opened(t)
      await store.noteSession(ONE_OF_SEVERAL, session('s1'))
      t.equal(await store.purge(0, T0 + 59_999), 0)
      t.equal(await store.purge(0, T0 + 60_000), 4)
    })
  })
}
