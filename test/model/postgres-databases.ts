import pg from 'pg'
import { PgBoss } from 'pg-boss'
import { systemClock } from '../../src/base/clock.ts'
import { openPostgresStore } from '../../src/stores/postgres/store.ts'
import type { PostgresServer } from '../support/postgres.ts'
import type { ModelStore, OpenModelStore } from './model-store.ts'

const SILENT = { info: () => {}, warn: () => {}, error: () => {} }
/**
 * The database's clock follows the run: every function through which Curfew, its own SQL functions and pg-boss read
 * the time is replaced by one that reads a sequence, in microseconds.
 */
const MODEL_CLOCK = `
  CREATE SCHEMA model;
  CREATE SEQUENCE model.time MINVALUE 0;
  CREATE FUNCTION model.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT to_timestamp(last_value / 1000000.0) FROM model.time';
  CREATE FUNCTION model.now() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT model.clock_timestamp()';
  CREATE OR REPLACE FUNCTION curfew_jobs.job_now() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT model.clock_timestamp()';`
/** An ended process loses its jobs after 10 s; pg-boss checks for them once a second. */
const SUPERVISED_FOR_MS = 15_000
const SUPERVISED_EVERY_MS = 1_000

let serial = 0

/** Opens stores for several processes each, in databases of one server, copied from a prepared one. */
export async function postgresDatabases(server: PostgresServer, processes: number): Promise<OpenModelStore> {
  const template = new URL(await server.createDatabase())
  const store = await openPostgresStore(template.href, { connections: 1, clock: systemClock, log: SILENT })
  await store.close()
  await server.query(template.href, MODEL_CLOCK)
  const admin = new URL(template)
  admin.pathname = '/postgres'
  return (setup, timeline) =>
    open({ server, processes, admin, template, databaseSkewMs: setup.databaseSkewMs, timeline })
}

async function open({
  server,
  processes,
  admin,
  template,
  databaseSkewMs,
  timeline,
}: {
  server: PostgresServer
  processes: number
  admin: URL
  template: URL
  databaseSkewMs: number
  timeline: Parameters<OpenModelStore>[1]
}): Promise<ModelStore> {
  serial += 1
  const name = `model_${process.pid}_${serial}`
  const database = new URL(admin)
  database.pathname = `/${name}`
  await server.query(admin.href, `CREATE DATABASE ${name} TEMPLATE ${template.pathname.slice(1)}`)
  const client = new pg.Client({ connectionString: database.href })
  client.on('error', () => {})
  await client.connect()
  const setClock = async () => {
    await client.query('SELECT setval($1, $2)', ['model.time', (timeline.now + databaseSkewMs) * 1_000])
  }
  await setClock()
  const boss = new PgBoss({
    db: { executeSql: (text, values) => client.query(text, values) },
    schema: 'curfew_jobs',
    ...{ createSchema: false, migrate: false, schedule: false, supervise: false },
    monitorIntervalSeconds: 1,
  })
  boss.on('error', () => {})
  await boss.start()

  const roles: string[] = []
  let superviseUntil = 0
  let supervisedAt = 0
  const supervise = async () => {
    if (timeline.now >= superviseUntil || timeline.now < supervisedAt + SUPERVISED_EVERY_MS) return
    supervisedAt = timeline.now
    await boss.supervise('revocations')
  }

  return {
    processes,
    isClockLocal: false,

    /** Each process has its own role, so that it can be cut off. */
    async nextAddress() {
      const role = `${name}_${roles.length}`
      roles.push(role)
      await client.query(`CREATE ROLE ${role} LOGIN SUPERUSER`)
      await client.query(`ALTER ROLE ${role} SET search_path = model, pg_catalog`)
      const own = new URL(database)
      own.username = role
      return own.href
    },

    async crash(address) {
      const { username } = new URL(address)
      await client.query(`ALTER ROLE ${username} NOLOGIN`)
      await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [
        username,
      ])
      superviseUntil = timeline.now + SUPERVISED_FOR_MS
    },

    async onTime() {
      await setClock()
      await supervise()
    },

    noteSilence(ms) {
      superviseUntil = Math.max(superviseUntil, timeline.now + ms + SUPERVISED_FOR_MS)
    },

    async close() {
      await boss.stop({ graceful: false, close: false })
      await client.end()
      await server.query(admin.href, `DROP DATABASE ${name} WITH (FORCE)`)
      for (const role of roles) await server.query(admin.href, `DROP ROLE ${role}`)
    },
  }
}
