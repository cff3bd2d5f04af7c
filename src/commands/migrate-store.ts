import { parseArgs } from 'node:util'
import { CurfewError, UsageError } from '../base/errors.ts'
import { ConfigError, loadStoreConfig } from '../config/load-config.ts'
import { migrateStore } from '../stores/migrate/migrate-store.ts'
import { isCurfewFile } from '../stores/migrate/sqlite-source.ts'

const HELP = `Usage: migrate-store --from sqlite:<path of the file>

Moves everything in a SQLite store into the PostgreSQL database that DATABASE_URL or DATABASE_URL_FILE
means: what is pending first, then what has ended. The database is not given as an argument, since every
user of the machine can read those, with the password in them.

No Curfew may run on the file meanwhile; on PostgreSQL any number may. Whatever interrupts it, run it
again: what was moved is skipped. The file is left as it is.

Exit codes: 0 all is moved; 64 wrong arguments; 75 the file is in use or the database does not work, so
try again; 78 wrong configuration.
`

const count = new Intl.NumberFormat('en')

/** The command `migrate-store`. @throws UsageError, ConfigError, CurfewError */
export async function migrateStoreCommand(args: string[]): Promise<void> {
  const { from, help } = optionsOf(args)
  const print = (line: string) => process.stdout.write(`${line}\n`)
  if (help) return void print(HELP.trimEnd())
  if (from === undefined) throw new UsageError(`--from is missing.\n\n${HELP}`)
  const { databaseUrl, timeoutMs, windowMs } = await loadStoreConfig(process.env)
  const path = /^sqlite:(.+)$/.exec(from)?.[1]
  const mistakes = [
    ...(path && isReadable(path) ? [] : [{ key: '--from', expected: "sqlite:<path of Curfew's file>" }]),
    ...(/^postgres/.test(databaseUrl)
      ? []
      : [{ key: 'DATABASE_URL', expected: 'postgres://…, where to move it' }]),
  ]
  if (!path || mistakes.length > 0) throw new ConfigError(mistakes)
  // What matters is thrown; the upkeep of the job queue is the replicas'.
  const ignore = () => {}
  const result = await migrateStore({
    path,
    url: databaseUrl,
    timeoutMs,
    windowMs,
    now: Date.now,
    log: { info: ignore, warn: ignore, error: ignore },
    onProgress: (done, total) => print(`${count.format(done)} of ${count.format(total)} revocations …`),
  })
  const table = [
    ['queued', result.queued],
    ['joined to what was queued for the same user', result.joined],
    ['completed', result.completed],
    ['failed', result.failed],
    ['skipped, as they were there', result.known],
    ['of those queued anew, for signals that came since', result.widened],
    ['answers to requests that may be repeated', result.replays],
    ['sessions of users', result.sessions],
    ['rate budgets', result.budgets],
  ] as const
  print('Done.')
  for (const [what, number] of table) print(`${count.format(number).padStart(12)} ${what}`)
}

function optionsOf(args: string[]) {
  try {
    const options = { from: { type: 'string' }, help: { type: 'boolean' } } as const
    return parseArgs({ args, options }).values
  } catch {
    // The reason would repeat the argument, which may be an address with a password.
    throw new UsageError(`These arguments are not known.\n\n${HELP}`)
  }
}

/** Whether there is a store to move. @throws CURFEW_STORE_LOCKED, with what to do */
function isReadable(path: string): boolean {
  try {
    return isCurfewFile(path)
  } catch (error) {
    if (!(error instanceof CurfewError && error.code === 'CURFEW_STORE_LOCKED')) throw error
    throw new CurfewError(error.code, 'Another process uses this database file: stop Curfew first.', {
      cause: error,
    })
  }
}
