import { CurfewError } from '../base/errors.ts'
import { print, printJson } from '../cli/terminal.ts'
import { ConfigError, loadStoreConfig } from '../config/load-config.ts'
import { migrateStore } from '../stores/migrate/migrate-store.ts'
import { isCurfewFile } from '../stores/migrate/sqlite-source.ts'

const count = new Intl.NumberFormat('en')

/** The command `migrate-store`. @throws ConfigError, CurfewError */
export async function migrateStoreCommand(
  { from, json }: { from: string; json?: boolean },
  environment = process.env,
): Promise<void> {
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
    onProgress: (done, total) => {
      if (!json) print(`${count.format(done)} of ${count.format(total)} revocations …`)
    },
  })
  if (json) return printJson(result)
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
    ['revocations of batches', result.members],
    ['notifications of receivers', result.notifications],
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
