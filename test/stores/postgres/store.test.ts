import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { JOBS_VERSION, MIGRATIONS } from '../../../src/stores/postgres/migrations.ts'
import { openPostgresStore } from '../../../src/stores/postgres/store.ts'
import { aCompletion, accept, claim, SILENT } from '../../conformance/stores.ts'
import { fakeClock } from '../../support/clock.ts'
import { rejection, until } from '../../support/events.ts'
import { startPostgres } from '../../support/postgres.ts'
import { startInVain } from '../../support/process.ts'
import { environmentFor, request, startService } from '../../support/service.ts'
import { aSignal, T0 } from '../../support/signals.ts'

const server = await startPostgres(t)

async function open(t: Test, url: string) {
  const store = await openPostgresStore(url, { connections: 3, clock: fakeClock(T0), log: SILENT })
  t.teardown(() => store.close())
  return store
}

t.test('processes that start together on an empty database migrate it once and all work', async (t) => {
  const url = await server.createDatabase()
  const stores = await Promise.all(Array.from({ length: 5 }, () => open(t, url)))
  const versions = await server.query(url, 'SELECT version FROM curfew.schema_version ORDER BY version')
  t.same(
    versions.map(({ version }) => version),
    MIGRATIONS.map((_, index) => index + 1),
  )
  const ids = await Promise.all(
    stores.map(async (store, index) => (await accept(store, { userId: `u${index}` })).id),
  )
  const claimed = (await Promise.all(stores.map((store) => claim(store)))).flat()
  t.same(claimed.map(({ id }) => id).sort(), ids.sort(), 'each is claimed by one of them')
})

t.test('many large requests do not share one long transaction', async (t) => {
  const url = await server.createDatabase()
  const store = await open(t, url)
  const large = (name: string) =>
    Array.from({ length: 1_000 }, (_, index) => aSignal({ userId: `${name}${index}` }))
  const requests = [large('a'), large('b'), [aSignal({ userId: 'c' })], large('d')]
  await Promise.all(requests.map((signals) => store.accept(signals, null, T0)))
  const together = 'SELECT count(*)::integer FROM curfew.revocations GROUP BY xmin ORDER BY 1'
  t.same(await server.query(url, together), [{ count: 1_000 }, { count: 1_000 }, { count: 1_001 }])
})

t.test('a signal that the database rejects fails alone', async (t) => {
  const store = await open(t, await server.createDatabase())
  const wide = Array.from({ length: 900 }, (_, index) =>
    String.fromCharCode(0x4e00 + ((index * index * 7_919) % 20_000)),
  )
  const signals = ['u1', wide.join(''), 'u2'].map((userId) => aSignal({ userId }))
  const results = await Promise.allSettled(signals.map((signal) => store.accept([signal], null, T0)))
  t.same(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
})

t.test('a database of a newer version is rejected, and not changed', async (t) => {
  const url = await server.createDatabase()
  await (await open(t, url)).close()
  await server.query(url, 'INSERT INTO curfew.schema_version VALUES (999)')
  const tables = `SELECT count(*) FROM information_schema.tables WHERE table_schema LIKE 'curfew%'`
  const before = await server.query(url, tables)
  t.match(await rejection(open(t, url)), { code: 'CURFEW_STORE_NEWER' })
  const nowhere = { url: 'http://127.0.0.1:9' }
  const environment = environmentFor(nowhere, { id: 'c', secret: 's' }, url)
  const { code, stderr } = await startInVain(environment)
  t.equal(code, 75)
  t.match(
    stderr,
    /^CURFEW_STORE_NEWER: The database has schema version 999; this version of Curfew supports \d+\.\n$/,
  )
  t.same(await server.query(url, tables), before)
})

t.test('the schema of pg-boss is the one that the migrations were written for', async (t) => {
  const file = join(import.meta.dirname, '../../../node_modules/pg-boss/package.json')
  t.equal(JOBS_VERSION, JSON.parse(readFileSync(file, 'utf8')).pgboss.schema)
  const url = await server.createDatabase()
  await open(t, url)
  t.same(await server.query(url, 'SELECT version FROM curfew_jobs.version'), [{ version: JOBS_VERSION }])
})

t.test('a server that is unreachable is named at the start, without user and password', async (t) => {
  const address = new URL(await server.createDatabase())
  const changed = (changes: Partial<URL>) =>
    Object.assign(new URL(address), { username: 'user-marker', password: 'password-marker', ...changes }).href
  const cases = [
    [
      changed({}),
      `PostgreSQL at ${address.host} rejects the login (28000). Check user, password and database`,
    ],
    [
      Object.assign(new URL(address), { pathname: '/no-such-database' }).href,
      `PostgreSQL at ${address.host} rejects the login (3D000). Check user, password and database`,
    ],
    [changed({ host: 'db.invalid:5433' }), 'Cannot reach PostgreSQL at db.invalid:5433 (ENOTFOUND). Check'],
    [changed({ port: '9' }), `Cannot reach PostgreSQL at ${address.hostname}:9 (ECONNREFUSED). Check`],
    [
      'postgres://user-marker:password-marker@h/db?host=/none&port=5433',
      'Cannot reach PostgreSQL at /none/.s.PGSQL.5433 (ENOENT). Check',
    ],
  ]
  for (const [url = '', expected] of cases) {
    const environment = environmentFor({ url: 'http://127.0.0.1:9' }, { id: 'c', secret: 's' }, url)
    environment.DATABASE_INSECURE = 'true'
    const { code, stdout, stderr } = await startInVain(environment)
    t.equal(code, 75)
    t.ok(stderr.startsWith(`CURFEW_STORE_UNAVAILABLE: ${expected}`), stderr)
    t.match(stderr, /DATABASE_URL\.\n$/)
    t.notMatch(stdout + stderr, /marker|postgres:/)
  }
})

t.test('a role that owns only its database can migrate and use it', async (t) => {
  const url = await server.createDatabase()
  const role = `curfew_role_${process.pid}`
  // The same as deploy/postgres/role.sql, which requires psql.
  await server.query(
    url,
    `CREATE ROLE ${role} LOGIN PASSWORD 'p' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION`,
  )
  const { pathname } = new URL(url)
  await server.query(url, `ALTER DATABASE ${pathname.slice(1)} OWNER TO ${role}`)
  await server.query(url, `REVOKE ALL ON DATABASE ${pathname.slice(1)} FROM PUBLIC`)
  t.teardown(() =>
    server.query(url, `REASSIGN OWNED BY ${role} TO CURRENT_USER; DROP OWNED BY ${role}; DROP ROLE ${role}`),
  )
  const own = new URL(url)
  own.username = role
  own.password = 'p'
  const service = await startService(t, { environment: { DATABASE_URL: own.href } })
  const { id } = service.userWithTokens(3)
  t.match(await service.revoke({ userId: id }), { status: 'completed', tokens: { revoked: 3 } })
  // pg-boss supervises its jobs once a second.
  const watched = `SELECT 1 FROM curfew_jobs.queue WHERE name = 'revocations' AND monitor_claim_on IS NOT NULL`
  await until('pg-boss has looked after its queue', async () => (await server.query(url, watched)).length > 0)
  const warnings = service.logLines.filter((line) => JSON.parse(line).level >= 40)
  t.same(warnings, [])
  await service.app.close()
})

t.test('a role that owns only its two schemas can migrate and use them', async (t) => {
  const url = await server.createDatabase()
  const role = `curfew_owner_${process.pid}`
  await server.query(url, `CREATE ROLE ${role} LOGIN PASSWORD 'p'`)
  for (const schema of ['curfew', 'curfew_jobs'])
    await server.query(url, `CREATE SCHEMA ${schema} AUTHORIZATION ${role}`)
  t.teardown(() => server.query(url, `DROP OWNED BY ${role}; DROP ROLE ${role}`))
  const own = new URL(url)
  own.username = role
  own.password = 'p'
  const store = await openPostgresStore(own.href, { connections: 2, clock: fakeClock(T0), log: SILENT })
  const { id } = await accept(store)
  await claim(store)
  t.equal(await store.end(id, aCompletion()), true)
  await store.close()
})

t.test('a caller waiting at one replica gets its answer as soon as another one ends the run', async (t) => {
  const environment = { DATABASE_URL: await server.createDatabase() }
  const first = await startService(t, { environment })
  const second = await startService(t, { environment, share: first })
  const user = first.userWithTokens(2)
  const waits = [first, second].map(async ({ url }) => {
    const options = { body: { userId: user.id }, headers: { prefer: 'wait=30' } }
    return request(url, 'POST', '/logout-hook', options)
  })
  // A wait that ends too late gets 202. If the first run ends before the second signal, that one finds nothing to revoke.
  const answers = await Promise.all(waits)
  for (const { status, json } of answers) {
    t.equal(status, 200)
    t.match(json, { status: 'completed', outcome: /^(revoked|nothing-to-revoke)$/ })
  }
  t.ok(answers.some(({ json }) => json.outcome === 'revoked'))
  t.same(first.sandbox.tenant.tokensOf(user.id), [])
})
