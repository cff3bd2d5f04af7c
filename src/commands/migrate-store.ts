import { CurfewError, UsageError } from '../base/errors.ts'
import { ConfigError, loadStoreConfig } from '../config/load-config.ts'
import { migrateStore } from '../stores/migrate/migrate-store.ts'
import { isCurfewFile } from '../stores/migrate/sqlite-source.ts'
import { parseArguments } from './parse-arguments.ts'

const HELP = `Usage: migrate-store --from sqlite:<file path>

Copies everything in a SQLite store to the PostgreSQL database set in DATABASE_URL or DATABASE_URL_FILE:
pending revocations first, then finished ones. The database URL is not an argument, because it contains
a password and every user on the machine can read the arguments of a process.

Stop the Curfew process that uses the file first. Replicas on PostgreSQL can keep running. If the command
is interrupted, run it again: it skips what is already copied. It does not change the file.

Exit codes:
   0  everything is copied
  64  invalid arguments
  75  the file is in use, or the database is unavailable: try again
  78  invalid configuration
`

const count = new Intl.NumberFormat('en')

/** The command `migrate-store`. @throws UsageError, ConfigError, CurfewError */
export async function migrateStoreCommand(args: string[], environment = process.env): Promise<void> {
  const options = { from: { type: 'string' }, help: { type: 'boolean' } } as const
  const { from, help } = parseArguments({ args, options }, HELP).values
  const print = (line: string) => process.stdout.write(`${line}\n`)
  if (help) return void print(HELP.trimEnd())
  if (from === undefined) throw new UsageError(`--from is missing.\n\n${HELP}`)
  const { databaseUrl, timeoutMs, windowMs } = await loadStoreConfig(environment)
  const path = /^sqlite:(.+)$/.exec(from)?.[1]
  const mistakes = [
    ...(path && isReadable(path)
      ? []
      : [{ key: '--from', expected: "sqlite:<path of Curfew's database file>" }]),
    ...(/^postgres/.test(databaseUrl)
      ? []
      : [{ key: 'DATABASE_URL', expected: 'postgres://… of the target database' }]),
  ]
  if (!path || mistakes.length > 0) throw new ConfigError(mistakes)
  // Errors that matter are thrown. The replicas maintain the job queue.
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
    ['joined to a revocation queued for the same user', result.joined],
    ['completed', result.completed],
    ['failed', result.failed],
    ['held', result.held],
    ['cancelled', result.cancelled],
    ['skipped, already copied', result.known],
    ['of those queued again, for signals received since', result.widened],
    ['responses to requests that may be repeated', result.replays],
    ['user sessions', result.sessions],
    ['rate budgets', result.budgets],
    ['entries of the audit trail', result.entries],
  ] as const
  print('Done.')
  for (const [what, number] of table) print(`${count.format(number).padStart(12)} ${what}`)
}

/** Whether the path is a Curfew store. @throws CURFEW_STORE_LOCKED, with the action to take */
function isReadable(path: string): boolean {
  try {
    return isCurfewFile(path)
  } catch (error) {
    if (!(error instanceof CurfewError && error.code === 'CURFEW_STORE_LOCKED')) throw error
    throw new CurfewError(error.code, 'Another process uses this database file. Stop Curfew first.', {
      cause: error,
    })
  }
}
