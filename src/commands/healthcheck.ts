import { get } from 'node:http'

/**
 * The container's health check, run as `node src/commands/healthcheck.ts [url]`: exits with 0 when the address answers
 * 200, else with 1. Without an address it asks this container's service whether it is alive.
 *
 * It reads PORT itself: the whole configuration would take longer to load than the answer takes, and would
 * need the secrets.
 */
const TIMEOUT_MS = 2_000

const url = process.argv[2] ?? `http://127.0.0.1:${process.env.PORT || 3000}/health/live`

try {
  get(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    .on('response', ({ statusCode }) => end(statusCode === 200, `answered ${statusCode}`))
    .on('error', ({ message }) => end(false, message))
} catch {
  end(false, 'is not an http address')
}

function end(healthy: boolean, finding: string): void {
  // Docker shows what is written here in `docker inspect`, under State.Health.Log.
  process.stdout.write(`${url} ${finding}\n`)
  process.exit(healthy ? 0 : 1)
}
