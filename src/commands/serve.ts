import { buildApp } from '../app.ts'
import { OwnError } from '../base/errors.ts'
import { terminalLog } from '../base/log.ts'
import { LogOutput } from '../base/log-output.ts'
import { VERSION } from '../base/version.ts'
import { CommandError } from '../cli/command-error.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { type Config, loadConfig } from '../config/load-config.ts'
import { parts } from '../parts.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'

type App = Awaited<ReturnType<typeof buildApp>>

/** Runs the service until a signal stops it. @throws CurfewError, CommandError if it cannot start */
export async function serveCommand(): Promise<void> {
  // Otherwise SIGUSR1 opens a debugger, to which anyone on the loopback interface can connect.
  process.on('SIGUSR1', () => {})
  try {
    await serve()
  } catch (error) {
    throw error instanceof OwnError ? error : new CommandError(textOf(error), EXIT.unavailable)
  }
}

async function serve(): Promise<void> {
  const load = () => loadConfig(process.env, parts.sources)
  const config = await load()
  const output = new LogOutput(process.stdout)
  const telemetry = await parts.telemetry.start(process.env)
  const logStream = (await terminalLog(output)) ?? output
  const app = await buildApp(config, { parts, load, logStream, telemetry })
  output.onLost((lines) => {
    app.log.warn({ lines }, 'log lines were dropped: the reader of the log was too slow')
  })
  reloadOnSignal(app)
  stopOnSignals(app, config, { output, telemetry })
  await app.listen({ host: config.host, port: config.port })
  // Last: probes of this listener succeed only if senders are served, too.
  const operatorsAddress = await app.listenForOperators().catch((error) => {
    throw Object.assign(error, { settings: 'OPS_PORT or OPS_HOST' })
  })
  app.log.info(
    { ...summaryOf(app, config), ...(operatorsAddress ? { operatorsAddress } : {}) },
    'Curfew is ready',
  )
  process.send?.({ url: app.listeningOrigin, operatorsUrl: operatorsAddress })
}

/** The fields of the first log line. The address of the database may contain a password: only its scheme is logged. */
function summaryOf({ listeningOrigin }: App, { databaseUrl, tenants, sources }: Config): object {
  const store = databaseUrl.split(':')[0]
  return {
    version: VERSION,
    store,
    tenants: tenants.length,
    sources: sources.length,
    address: listeningOrigin,
  }
}

/** SIGHUP does the same as `POST /config/reload`. Mistakes are logged, and the current configuration stays in use. */
function reloadOnSignal(app: App): void {
  process.on('SIGHUP', () => {
    app.reloadConfig().catch(() => {})
  })
}

/** npm forwards the signal that the terminal has already sent: a second one within this time is the same one. */
const FORWARDED_WITHIN_MS = 1_000
/** How long the shutdown waits for the reader of the log. */
const LAST_LINES_MS = 1_000

/** What is written until the end. */
interface Outputs {
  output: LogOutput
  telemetry: Telemetry | null
}

/**
 * The first signal drains the replica, then closes it gracefully; a later one ends the process at once. During the drain it
 * reports that it is not ready and still serves, until proxies stop sending: after closing, connections are refused.
 */
function stopOnSignals(app: App, config: Config, { output, telemetry }: Outputs): void {
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
    // In four rolling restarts, 1,544 of 12,770 requests failed without a drain, and none of 19,770 with 5 s.
    setTimeout(close, drainMs)
  }
  const close = () => {
    // Clients that are still sending get part of the time.
    setTimeout(() => app.closeAllConnections(), graceMs * 0.7).unref()
    setTimeout(() => process.exit(1), graceMs).unref()
    app
      .close()
      .then(
        () => 0,
        (error) => {
          app.log.error({ err: error }, 'the shutdown failed')
          return 1
        },
      )
      .then(async (code) => {
        await telemetry?.stop()
        await output.flushed(LAST_LINES_MS)
        process.exit(code)
      })
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

function textOf(error: unknown): string {
  if (!isInUse(error)) return `Curfew could not start: ${error}`
  return `Curfew could not start: ${error.address}:${error.port} is in use (EADDRINUSE). Stop the process that listens there, or set ${error.settings ?? 'PORT or HOST'}.`
}

function isInUse(error: unknown): error is { address: string; port: number; settings?: string } {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE' && 'port' in error
}
