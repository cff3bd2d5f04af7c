import { clientFor, readConnection } from '../../cli/connection.ts'
import { timeText } from '../../cli/times.ts'
import { CurfewApiError } from '../../client/client.ts'
import { readinessOf, type Sender } from '../service-state.ts'
import { type Finding, failed, ok, reasonOf, skipped, warning } from './finding.ts'

/** What the running service reports: its checks, the last signal and rejection of each source, the rest of the budgets. */
export async function checkService(profile: string | undefined): Promise<Finding[]> {
  const { url, apiKey } = readConnection(profile)
  const client = clientFor(url, apiKey ?? 'none')
  try {
    const { status, checks = [], sources = [] } = await readinessOf(client)
    const summary =
      status === 'ready'
        ? ok('service', `${url} is ready.`)
        : failed('service', `${url} is not ready.`, 'See the checks below.')
    const notOk = checks
      .filter((check) => check.status !== 'ok')
      .map(({ name, status, detail = '' }) =>
        (status === 'failed' ? failed : warning)(
          `service ${name}`,
          detail || status,
          'See docs/how-to/respond-to-alerts.md',
        ),
      )
    return [summary, ...notOk, ...sources.map(lastOf)]
  } catch (error) {
    if (error instanceof CurfewApiError && error.status === null)
      return [skipped('service', `Nothing answers at ${url}: start Curfew, or set CURFEW_URL.`)]
    return [failed('service', reasonOf(error), 'Check CURFEW_URL.')]
  }
}

function lastOf({ name, lastAcceptedAt, lastRejected }: Sender): Finding {
  const what = `signals of ${name}`
  const accepted = lastAcceptedAt
    ? `last accepted ${timeText(lastAcceptedAt)}`
    : 'none accepted since the start'
  if (!lastRejected) return ok(what, accepted)
  const detail = `${accepted}; last rejected ${timeText(lastRejected.at)}, ${lastRejected.code}`
  if (lastAcceptedAt !== null && lastAcceptedAt > lastRejected.at) return ok(what, detail)
  return warning(what, detail, 'Run curfew rejections: it says why, and what to do.')
}
