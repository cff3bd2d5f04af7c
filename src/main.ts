import type { FastifyInstance } from 'fastify'
import packageJson from '../package.json' with { type: 'json' }
import { buildApp } from './app.ts'
import { CurfewError, UsageError } from './base/errors.ts'
import { type Config, ConfigError, loadConfig } from './config/load-config.ts'

/** Exit codes as in sysexits.h. */
const EXIT_USAGE = 64
const EXIT_CONFIG = 78
const EXIT_TEMPORARY = 75
const EXIT_UNAVAILABLE = 69

/** What the process does, by its first argument. */
const COMMANDS = new Map<string, (args: string[]) => Promise<void>>([
  ['serve', serve],
  ['migrate-store', migrateStore],
])

async function main([name = 'serve', ...args]: string[]): Promise<void> {
  const command = COMMANDS.get(name)
  if (!command)
    throw new UsageError(`There is no such command; there are: ${[...COMMANDS.keys()].join(', ')}.`)
  await command(args)
}

/** Loaded where it is used, since it brings both stores with it. */
async function migrateStore(args: string[]): Promise<void> {
  const { migrateStoreCommand } = await import('./commands/migrate-store.ts')
  await migrateStoreCommand(args)
}

async function serve(): Promise<void> {
  const config = await loadConfig(process.env)
  const app = await buildApp(config, { load: () => loadConfig(process.env) })
  reloadOnSignal(app)
  stopOnSignals(app, config)
  await app.listen({ host: config.host, port: config.port })
  app.log.info(summaryOf(app, config), 'Curfew is ready')
  process.send?.({ url: app.listeningOrigin })
}

/** What operators look for first. The address of the database may hold a password, so only its kind is named. */
function summaryOf({ listeningOrigin }: FastifyInstance, { databaseUrl, tenants, sources }: Config): object {
  const store = databaseUrl.split(':')[0]
  const { version } = packageJson
  return { version, store, tenants: tenants.length, sources: sources.length, address: listeningOrigin }
}

/** As `POST /config/reload`. What is wrong is in the log, and the configuration before goes on working. */
function reloadOnSignal(app: FastifyInstance): void {
  process.on('SIGHUP', () => {
    app.reloadConfig().catch(() => {})
  })
}

/** npm forwards what the terminal has already sent: a signal that comes this soon after the first one is the same one. */
const FORWARDED_WITHIN_MS = 1_000

/**
 * The first signal lets the replica be taken out, then closes gracefully; a later one ends the process at once.
 * Closing stops listening, and whoever has not yet noticed would be refused: hence the drain before it.
 */
function stopOnSignals(app: FastifyInstance, config: Config): void {
  const { shutdownDrainMs: drainMs, shutdownGraceMs: graceMs } = config
  let mayForce = false
  const stop = (signal: NodeJS.Signals) => {
    if (mayForce) process.exit(1)
    if (app.lifecycle.isStopping()) return
    setTimeout(() => {
      mayForce = true
      app.log.info('still shutting down; another signal ends the process at once')
    }, FORWARDED_WITHIN_MS).unref()
    app.log.info({ signal, drainMs }, 'shutting down')
    app.lifecycle.beginStopping()
    setTimeout(close, drainMs)
  }
  const close = () => {
    // A client that is still sending may take its time, but not all of ours.
    setTimeout(() => app.server.closeAllConnections(), graceMs * 0.7).unref()
    setTimeout(() => process.exit(1), graceMs).unref()
    app.close().then(
      () => process.exit(0),
      (error) => {
        app.log.error({ err: error }, 'could not close in order')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT_USAGE
  if (error instanceof ConfigError) return EXIT_CONFIG
  if (error instanceof CurfewError) return EXIT_TEMPORARY
  return EXIT_UNAVAILABLE
}

function textOf(error: unknown): string {
  if (error instanceof UsageError) return error.message
  if (isInUse(error))
    return `Curfew could not start: ${error.address}:${error.port} is in use (EADDRINUSE). Stop what listens there, or set PORT or HOST.`
  return error instanceof CurfewError ? `${error.code}: ${error.message}` : `Curfew could not start: ${error}`
}

function isInUse(error: unknown): error is { address: string; port: number } {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE' && 'port' in error
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${textOf(error)}\n`)
  process.exit(exitCodeOf(error))
})
