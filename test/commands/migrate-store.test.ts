import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { migrateStoreCommand } from '../../src/commands/migrate-store.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { openPostgresStore } from '../../src/stores/postgres/store.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { accept, claim, existing, room, SILENT, waiting } from '../conformance/stores.ts'
import { startPostgres } from '../support/postgres.ts'
import { bare, runCommand, startProcess } from '../support/process.ts'
import { environmentFor, settledAt, temporaryFolder } from '../support/service.ts'
import { aSignal, T0 } from '../support/signals.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const PASSWORD = 'pass-word-of-the-database'
const INVALID = { code: 'CURFEW_CONFIG_INVALID' }

const server = await startPostgres(t)

/** The URL of an empty database, with a password that a server with trust authentication ignores. */
async function database(): Promise<string> {
  const url = new URL(await server.createDatabase())
  url.password ||= PASSWORD
  return url.href
}

/** A SQLite file filled by the real store. */
async function file(t: Test, fill: (store: ReturnType<typeof openSqliteStore>) => Promise<unknown>) {
  const path = join(temporaryFolder(t), 'curfew.db')
  const store = openSqliteStore(path)
  await fill(store)
  await store.close()
  return path
}

t.test('unknown commands and invalid arguments exit with 64 and print the usage', async (t) => {
  const secret = `postgres://curfew:${PASSWORD}@localhost/curfew`
  const unknown = await runCommand([secret])
  t.match(unknown, { code: 64, stderr: /^Unknown command\. Commands: .*\bserve, .*\.\n\nUsage: curfew / })
  t.match(await runCommand(['migrate-store']), {
    code: 64,
    stderr: /^Required option '--from <store>' not specified\.\n\nUsage: curfew migrate-store /,
  })
  const surplus = await runCommand(['migrate-store', '--from', 'sqlite:x', '--to', secret])
  t.match(surplus, { code: 64, stderr: /^Unknown option --to\.\n\nUsage: / })
  t.notMatch(surplus.stderr + unknown.stderr, PASSWORD)
  t.match(await runCommand(['migrate-store', '--help']), {
    code: 0,
    stdout: /^Usage: .*Exit codes:\n/s,
    stderr: '',
  })
})

t.test('an invalid source or target exits with 78, and nothing is created or changed', async (t) => {
  const path = await file(t, accept)
  const absent = join(temporaryFolder(t), 'absent.db')
  const other = join(temporaryFolder(t), 'other.db')
  const foreign = new DatabaseSync(other)
  foreign.exec('CREATE TABLE something (else_)')
  foreign.close()
  const url = await database()
  const prefix = 'The configuration is invalid:\n  '
  const message = `${prefix}--from: sqlite:<path of Curfew's database file>`
  for (const from of [`sqlite:${absent}`, `sqlite:${other}`, path, url])
    await t.rejects(migrateStoreCommand({ from }, { DATABASE_URL: url }), { ...INVALID, message }, from)
  const { code, stdout, stderr } = await runCommand(['migrate-store', '--from', url], { DATABASE_URL: url })
  t.same({ code, stdout, stderr }, { code: 78, stdout: '', stderr: `${INVALID.code}: ${message}\n` })
  t.notOk(existsSync(absent))
  const after = new DatabaseSync(other)
  t.match(after.prepare('SELECT name FROM sqlite_schema').all(), [{ name: 'something' }])
  after.close()
  for (const [environment, key] of [
    [{}, 'DATABASE_URL'],
    [{ DATABASE_URL: `sqlite:${path}` }, 'DATABASE_URL'],
    [{ DATABASE_URL: PASSWORD }, 'DATABASE_URL'],
    [{ DATABASE_URL_FILE: absent }, 'DATABASE_URL_FILE'],
    [{ DATABASE_URL: url, QLIK_TIMEOUT_MS: PASSWORD }, 'QLIK_TIMEOUT_MS'],
  ] as const) {
    const message = new RegExp(`^${prefix}${key}: (?!.*${PASSWORD}).+$`)
    await t.rejects(
      migrateStoreCommand({ from: `sqlite:${path}` }, environment),
      { ...INVALID, message },
      key,
    )
  }
})

t.test('a file in use and an unavailable database exit with 75 and the action to take', async (t) => {
  const path = join(temporaryFolder(t), 'curfew.db')
  const store = openSqliteStore(path)
  const args = ['migrate-store', '--from', `sqlite:${path}`]
  const locked = await runCommand(args, { DATABASE_URL: await database() })
  t.match(locked, {
    code: 75,
    stderr: 'CURFEW_STORE_LOCKED: Another process uses this database file. Stop Curfew first.\n',
  })
  await store.close()
  const away = await runCommand(args, { DATABASE_URL: `postgres://curfew:${PASSWORD}@127.0.0.1:1/curfew` })
  t.match(away, {
    code: 75,
    stderr:
      /^CURFEW_STORE_UNAVAILABLE: Cannot reach PostgreSQL at 127\.0\.0\.1:1 \(ECONNREFUSED\)\. Check .*\.\n$/,
  })
  t.notMatch(away.stdout + away.stderr, PASSWORD)
})

t.test(
  'running replicas finish the copied revocations, and the command reports how many there are',
  async (t) => {
    const sandbox = await startSandbox()
    t.teardown(() => sandbox.close())
    const { tenant } = sandbox
    const users = Array.from({ length: 12 }, () => tenant.addUser())
    for (const { id } of users) tenant.issueTokens(id, 2)
    const [joining, ...others] = users.map(({ id }) => id)
    const now = Date.now()
    const ids: string[] = []
    const path = await file(t, async (store) => {
      const signal = { occurredAt: now, acceptedAt: now }
      ids.push((await accept(store, { ...signal, userId: String(joining) })).id)
      const [first] = await claim(store, now)
      ids.push((await accept(store, { ...signal, userId: String(joining) })).id)
      await store.putBack(String(first?.id), waiting(existing(first), null))
      for (const userId of others) ids.push((await accept(store, { ...signal, userId })).id)
      await store.claim({ now, room: room(0, 4, 0) })
    })
    const url = await database()
    const urlFile = join(temporaryFolder(t), 'database-url')
    writeFileSync(urlFile, `${url}\n`)
    const replica = await startProcess(t, environmentFor(sandbox, tenant.addClient(), url))
    const { code, stdout, stderr } = await runCommand(['migrate-store', '--from', `sqlite:${path}`], {
      DATABASE_URL: '',
      DATABASE_URL_FILE: urlFile,
    })
    t.equal(code, 0)
    t.equal(stderr, '')
    t.match(stdout, /^0 of 12 revocations …\nDone\.\n +12 queued\n/)
    t.notMatch(stdout, PASSWORD)
    for (const id of ids) {
      const reply = await settledAt(replica.url, id)
      t.match(reply, { status: 200, json: { status: 'completed', verified: true } })
    }
    for (const { id } of users) t.equal(tenant.tokensOf(id).length, 0)
    t.equal(await replica.end('SIGTERM'), 0)
  },
)

/** Blocks inserts of this user's revocation until the returned function is called. */
async function holdInsertOf(userId: string, url: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`
    SELECT pg_advisory_lock(1);
    CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
    CREATE TRIGGER hold BEFORE INSERT ON curfew.revocations
      FOR EACH ROW WHEN (NEW.user_value = '${userId}') EXECUTE FUNCTION hold()`)
  return () => client.end()
}

t.test('after it is killed and run again, everything is there once', async (t) => {
  const path = await file(t, async (store) => {
    const signals = Array.from({ length: 6_000 }, (_, index) =>
      aSignal({ userId: `u${index}`, acceptedAt: T0 + index }),
    )
    await store.accept(signals, { key: 'k', fingerprint: null }, Date.now())
  })
  const url = await database()
  await (await openPostgresStore(url, { connections: 2, clock: systemClock, log: SILENT })).close()
  // The command stops here, however late it is killed.
  const letGo = await holdInsertOf('u5500', url)
  const args = ['migrate-store', '--from', `sqlite:${path}`]
  const environment = { DATABASE_URL: url }
  for (const moment of ['0 of', '5,000 of']) {
    const child = spawn(process.execPath, [MAIN, ...args], { env: bare(environment) })
    const exited = once(child, 'exit')
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith(moment)) child.kill('SIGKILL')
    }
    t.same(await exited, [null, 'SIGKILL'])
  }
  const [before] = await server.query(url, 'SELECT count(*)::int AS count FROM curfew.revocations')
  t.ok(Number(before?.count) >= 5_000 && Number(before?.count) < 6_000, `${before?.count} before`)
  await letGo()
  const { code, stdout } = await runCommand(args, environment)
  t.equal(code, 0)
  t.match(stdout, / +1 responses to requests/)
  const [counts] = await server.query(
    url,
    `SELECT count(*)::int AS revocations, count(DISTINCT user_value)::int AS users, count(job.id)::int AS jobs,
       count(*) FILTER (WHERE status = 'queued')::int AS queued, (SELECT count(*) FROM curfew_jobs.job)::int AS all_jobs
     FROM curfew.revocations LEFT JOIN curfew_jobs.job AS job USING (id)`,
  )
  t.same(counts, { revocations: 6_000, users: 6_000, jobs: 6_000, queued: 6_000, all_jobs: 6_000 })
  const source = new DatabaseSync(path)
  const same = source.prepare('SELECT id FROM revocations ORDER BY id').all()
  source.close()
  const moved = await server.query(url, 'SELECT id FROM curfew.revocations ORDER BY id')
  t.same(
    moved.map(({ id }) => id),
    same.map(({ id }) => id),
  )
  t.match(await runCommand(args, environment), { code: 0, stdout: / +0 queued\n[\s\S]* 6,000 skipped/ })
})
