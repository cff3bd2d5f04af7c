import { setTimeout as pause } from 'node:timers/promises'
import { clientFor, readConnection } from '../cli/connection.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { failureOf } from '../cli/failure.ts'
import { note, paint, print, printable, printJson, table } from '../cli/terminal.ts'
import { CurfewApiError, type CurfewClient, type Revocation } from '../client/client.ts'
import { type Sample, samplesIn } from './metrics-text.ts'

const WATCH_MS = 2_000
/** For the failures by code: the newest ones are enough to see what is wrong. */
const FAILURES_READ = 1_000

interface Options {
  watch?: boolean
  json?: boolean
  profile?: string
}

interface Check {
  name: string
  status: string
  detail?: string
}
interface Sender {
  name: string
  kind?: string
  lastAcceptedAt: string | null
  lastRejected: { at: string; code: string } | null
}
interface Readiness {
  status: string
  checks?: Check[]
  sources?: Sender[]
}

interface TenantStatus {
  tenant: string
  remainingTokens: number
  blockedUntil: string | null
  estimatedCompletionAt: string | null
  oldestQueuedAt: string | null
  waitingFor: { what: string; until: string | null } | null
}

export interface Status {
  status: string
  checks: Check[]
  backlog: { tenant: string; status: string; count: number }[]
  budgets: { tenant: string; client: string; tier: number; remaining: number; blockedUntil: string | null }[]
  /** `GET /status`: for each tenant, when the backlog is expected to be empty, or what it waits for. */
  tenants: TenantStatus[]
  failures: Record<string, number>
  sources: Sender[]
}

/** The command `status`. Sets the exit code 1 if the service is not ready. */
export async function statusCommand({ watch, json, profile }: Options): Promise<void> {
  const { url, apiKey } = readConnection(profile)
  // Without a key, `/health/ready` and `/metrics` still answer.
  const client = clientFor(url, apiKey ?? 'none')
  for (let isFirst = true; ; isFirst = false) {
    const status = await statusOf(client, apiKey !== null).catch((error) => {
      // A restart of the service does not end the watch.
      if (isFirst || !(error instanceof CurfewApiError)) throw error
      note(failureOf(error).message)
      return null
    })
    if (status === null) {
      await pause(WATCH_MS)
      continue
    }
    if (status.status !== 'ready') process.exitCode = EXIT.no
    const clear = watch && process.stdout.isTTY ? '\u001b[2J\u001b[H' : ''
    if (json) printJson(status)
    else print(clear + lines(status).join('\n'))
    if (!watch) {
      if (apiKey === null && !json) note('Without CURFEW_API_KEY, failures and sources are not shown.')
      return
    }
    await pause(WATCH_MS)
  }
}

async function statusOf(client: CurfewClient, hasKey: boolean): Promise<Status> {
  const [readiness, metrics, tenants, failed] = await Promise.all([
    readinessOf(client),
    metricsOf(client),
    hasKey ? orNothing(() => tenantsOf(client)) : [],
    hasKey ? orNothing(() => failedOf(client)) : [],
  ])
  const codes = Object.groupBy(failed, ({ error }) => error?.code ?? 'unknown')
  const of = (name: string) => metrics.filter((sample) => sample.name === name)
  const blocked = of('curfew_qlik_blocked_until_timestamp_seconds')
  return {
    status: readiness.status,
    checks: readiness.checks ?? [],
    backlog: of('curfew_backlog').map(({ labels, value }) => ({
      tenant: labels.tenant ?? '',
      status: labels.status ?? '',
      count: value,
    })),
    budgets: of('curfew_budget_remaining').map(({ labels, value }) => {
      const { tenant = '', client = '', tier = '' } = labels
      const until =
        blocked.find((one) => one.labels.tenant === tenant && one.labels.tier === tier)?.value ?? 0
      const blockedUntil = until > 0 ? new Date(until * 1000).toISOString() : null
      return { tenant, client, tier: Number(tier), remaining: value, blockedUntil }
    }),
    tenants,
    failures: Object.fromEntries(Object.entries(codes).map(([code, all]) => [code, all?.length ?? 0])),
    sources: readiness.sources ?? [],
  }
}

/** Answers with 503 and the same body if the service is not ready. */
async function readinessOf(client: CurfewClient): Promise<Readiness> {
  const response = await client.open('GET', '/health/ready', { accept: [503] })
  return (await response.json()) as Readiness
}

/** Empty if the public listener does not have them. */
async function metricsOf(client: CurfewClient): Promise<Sample[]> {
  try {
    return samplesIn(await (await client.open('GET', '/metrics')).text())
  } catch (error) {
    if (error instanceof CurfewApiError && error.status === 404) return []
    throw error
  }
}

async function tenantsOf(client: CurfewClient): Promise<TenantStatus[]> {
  return (await client.call<{ tenants: TenantStatus[] }>('GET', '/status')).tenants
}

async function failedOf(client: CurfewClient): Promise<Revocation[]> {
  const query = { status: 'failed', limit: FAILURES_READ }
  return (await client.call<{ items: Revocation[] }>('GET', '/revocations', { query })).items
}

/** Nothing if the key lacks the role `read`. */
async function orNothing<T>(read: () => Promise<T[]>): Promise<T[]> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof CurfewApiError && error.status === 403) return []
    throw error
  }
}

const COLORS = { ok: 'green', warning: 'yellow', failed: 'red' } as const

function lines(status: Status): string[] {
  const { checks, backlog, budgets, tenants, failures, sources } = status
  const color = status.status === 'ready' ? 'green' : 'red'
  const left = backlog.filter(({ count }) => count > 0)
  return [
    `Curfew is ${paint(color, printable(status.status))}.`,
    ...checks
      .filter((check) => check.status !== 'ok')
      .map(({ name, status, detail }) => {
        const color = COLORS[status as keyof typeof COLORS] ?? 'yellow'
        return `  ${paint(color, printable(status))}  ${printable(name)}${detail ? `: ${printable(detail)}` : ''}`
      }),
    left.length === 0 ? 'Backlog: empty' : 'Backlog:',
    ...left.map(({ tenant, status, count }) => `  ${printable(`${tenant}  ${count} ${status}`)}`),
    ...tenants.flatMap(waitLines),
    ...(budgets.length > 0 ? ['Calls left in the current window:'] : []),
    ...budgets.map(({ tenant, tier, remaining, blockedUntil }) => {
      const block = blockedUntil ? `, blocked by Qlik until ${blockedUntil}` : ''
      return `  ${printable(tenant)}  tier ${tier}: ${remaining}${block}`
    }),
    ...(Object.keys(failures).length > 0 ? ['Failed:'] : []),
    ...Object.entries(failures).map(([code, count]) => `  ${printable(code)}: ${count}`),
    ...sourceLines(sources),
  ]
}

function waitLines({
  tenant,
  remainingTokens,
  estimatedCompletionAt,
  oldestQueuedAt,
  waitingFor,
}: TenantStatus) {
  const until = waitingFor?.until ? ` until ${waitingFor.until}` : ''
  const parts = [
    remainingTokens > 0 ? `${remainingTokens} tokens left` : null,
    oldestQueuedAt ? `the oldest since ${oldestQueuedAt}` : null,
    waitingFor ? `waiting for ${waitingFor.what}${until}` : null,
    estimatedCompletionAt ? `expected to be empty at ${estimatedCompletionAt}` : null,
  ].filter((part) => part !== null)
  return parts.length > 0 ? [`  ${printable(`${tenant}  ${parts.join(', ')}`)}`] : []
}

function sourceLines(sources: readonly Sender[]): string[] {
  if (sources.length === 0) return []
  const rows = sources.map(({ name, kind, lastAcceptedAt, lastRejected }) => [
    printable(name),
    printable(kind ?? ''),
    printable(lastAcceptedAt ?? 'none'),
    printable(lastRejected ? `${lastRejected.at} ${lastRejected.code}` : 'none'),
  ])
  return table([['SOURCE', 'KIND', 'LAST ACCEPTED', 'LAST REJECTED'], ...rows])
}
