import { get } from 'node:http'

/**
 * The container's health check, run as `node src/commands/healthcheck.ts [url]`. Exits with code 0 if the URL returns
 * 200, else with code 1. The default URL is the liveness endpoint of the service in the same container.
 *
 * It reads the variables itself: loading the whole configuration takes longer than the request, and requires the secrets.
 */
const TIMEOUT_MS = 2_000

const url = process.argv[2] ?? `http://${listener(process.env)}/health/live`

try {
  get(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    .on('response', ({ statusCode }) => end(statusCode === 200, `answered ${statusCode}`))
    .on('error', ({ message }) => end(false, message))
} catch {
  end(false, 'is not a valid http URL')
}

/** The operators' listener if there is one: senders that use up all connections of the other do not affect it. */
function listener({ PORT, OPS_PORT, OPS_HOST }: NodeJS.ProcessEnv): string {
  if (!OPS_PORT) return `127.0.0.1:${PORT || 3000}`
  const isEverywhere = !OPS_HOST || ['0.0.0.0', '::'].includes(OPS_HOST)
  const host = isEverywhere ? '127.0.0.1' : OPS_HOST
  return `${host.includes(':') ? `[${host}]` : host}:${OPS_PORT}`
}

function end(healthy: boolean, finding: string): void {
  // Docker shows this output in `docker inspect`, under State.Health.Log.
  process.stdout.write(`${url} ${finding}\n`)
  process.exit(healthy ? 0 : 1)
}
