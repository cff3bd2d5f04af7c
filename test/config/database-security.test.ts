import pg from 'pg'
import t from 'tap'
import { databaseMistake } from '../../src/config/database-security.ts'
import { loadStoreConfig } from '../../src/config/load-config.ts'
import { keysOf, mistakesOf } from '../support/configuration.ts'

const REMOTE = 'postgres://curfew:secret@db.example.com/curfew'
const SECURE = [
  ...['sslmode=verify-full', 'sslmode=verify-ca', 'sslmode=require', 'ssl=true', 'ssl=1'],
  ...['sslnegotiation=direct', 'sslmode=disable&sslmode=verify-full', 'sslmode=require&ssl=0'],
  'uselibpqcompat=true&sslmode=verify-full',
]
const INSECURE = [
  ...['', 'sslmode=disable', 'sslmode=no-verify', 'ssl=0', 'ssl=false', 'ssl=no-verify', 'ssl='],
  ...['sslmode=verify-full&sslmode=disable', 'sslmode=disable&ssl=true', 'sslmode=no-verify&ssl=true'],
  ...['uselibpqcompat=true&sslmode=require', 'uselibpqcompat=true&sslmode=prefer'],
]
/** pg 8 verifies the server with these; other clients of PostgreSQL, and pg 9, do not. */
const AMBIGUOUS = ['sslmode=prefer', 'sslmode=allow', 'sslmode=unknown']

/** Whether pg itself would connect to this URL by TLS and verify the server. */
function pgVerifies(url: string): boolean {
  const { ssl } = Reflect.get(new pg.Client(url), 'connectionParameters')
  return ssl === true || (typeof ssl === 'object' && ssl !== null && ssl.rejectUnauthorized !== false)
}

t.test('a server beyond loopback requires verified TLS, as pg understands the URL', async (t) => {
  for (const query of SECURE) {
    t.equal(databaseMistake(`${REMOTE}?${query}`, {}), null, query)
    t.equal(pgVerifies(`${REMOTE}?${query}`), true, `pg: ${query}`)
  }
  for (const query of INSECURE) {
    t.match(databaseMistake(`${REMOTE}?${query}`, {}), /^expected sslmode=verify-full/, query)
    t.equal(pgVerifies(`${REMOTE}?${query}`), false, `pg: ${query}`)
  }
  for (const query of AMBIGUOUS) t.match(databaseMistake(`${REMOTE}?${query}`, {}), /^expected/, query)
})

t.test('PGSSLMODE and PGHOST count, because pg uses them', (t) => {
  for (const mode of ['require', 'verify-ca', 'verify-full'])
    t.equal(databaseMistake(REMOTE, { PGSSLMODE: mode }), null, mode)
  for (const mode of ['disable', 'prefer', 'no-verify', ''])
    t.ok(databaseMistake(REMOTE, { PGSSLMODE: mode }), mode)
  t.ok(databaseMistake(`${REMOTE}?sslmode=disable`, { PGSSLMODE: 'verify-full' }))
  t.equal(databaseMistake('postgres:///curfew', {}), null)
  t.ok(databaseMistake('postgres:///curfew', { PGHOST: 'db.example.com' }))
  t.end()
})

t.test('connections within the machine need no TLS', (t) => {
  for (const url of [
    ...['postgres://u:p@localhost/c', 'postgres://u:p@127.0.0.1:5433/c', 'postgresql://u:p@[::1]/c'],
    ...['postgres://u:p@%2Fvar%2Frun%2Fpostgresql/c', 'postgres://db/c?host=/var/run/postgresql'],
    ...['sqlite:./data/curfew.db'],
  ])
    t.equal(databaseMistake(url, {}), null, url)
  for (const url of [
    'postgres://localhost.example.com/c',
    'postgres://127.0.0.1/c?host=db',
    'postgres://10.0.0.1/c',
  ])
    t.ok(databaseMistake(url, {}), url)
  t.end()
})

t.test('DATABASE_INSECURE accepts such a server, for the service and for commands', async (t) => {
  t.same(keysOf(await mistakesOf({ DATABASE_URL: REMOTE })), ['DATABASE_URL'])
  t.same(await mistakesOf({ DATABASE_URL: REMOTE, DATABASE_INSECURE: 'true' }), [])
  t.same(keysOf(await mistakesOf({ DATABASE_INSECURE: 'yes' })), ['DATABASE_INSECURE'])
  await t.rejects(loadStoreConfig({ DATABASE_URL: REMOTE }), { code: 'CURFEW_CONFIG_INVALID' })
  t.match(await loadStoreConfig({ DATABASE_URL: REMOTE, DATABASE_INSECURE: 'true' }), { databaseUrl: REMOTE })
})
