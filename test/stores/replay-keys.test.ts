import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import t from 'tap'
import { keyDigest } from '../../src/revocation/replay.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { startPostgres } from '../support/postgres.ts'
import { temporaryFolder } from '../support/service.ts'
import { aSignal, T0 } from '../support/signals.ts'
import { jobTables } from './postgres/job-tables.ts'

const REPLAY = { key: 'okta:idp:logout of ann@example.com', fingerprint: null }

const isReplayed = async (store: RevocationStore) => (await store.accept([aSignal()], REPLAY, T0)).replayed

t.test('SQLite contains no id that a sender chose', async (t) => {
  const path = join(temporaryFolder(t), 'curfew.db')
  const store = openSqliteStore(path)
  t.same([await isReplayed(store), await isReplayed(store)], [false, true])
  await store.close()
  const file = new DatabaseSync(path)
  t.teardown(() => file.close())
  t.match(file.prepare('SELECT key FROM replays').all(), [{ key: keyDigest(REPLAY) }])
  t.match(keyDigest(REPLAY), /^sha256:[\w-]{43}$/)
})

t.test('PostgreSQL contains none, unless a replica of an earlier version must find it', async (t) => {
  const { url, query, open } = await jobTables(t, await startPostgres(t))
  const upgraded = await open()
  t.same([await isReplayed(upgraded), await isReplayed(upgraded)], [false, true])
  t.same(await query('SELECT key FROM curfew.replays'), [{ key: keyDigest(REPLAY) }])

  const earlier = new pg.Client({ connectionString: url, application_name: 'curfew 2' })
  await earlier.connect()
  t.teardown(() => earlier.end())
  const beside = await open()
  t.equal(await isReplayed(beside), true, 'the digest is found')
  await query('DELETE FROM curfew.replays')
  t.equal(await isReplayed(beside), false)
  t.same(await query('SELECT key FROM curfew.replays'), [{ key: REPLAY.key }])
  await upgraded.close()
  await earlier.end()
  t.equal(await isReplayed(await open()), true, 'and so is the key itself')
  t.equal((await query('SELECT FROM curfew.replays')).length, 1, 'at the cost of no second row')
})
