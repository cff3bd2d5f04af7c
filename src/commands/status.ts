import { setTimeout as pause } from 'node:timers/promises'
import type { Wait } from '../base/waits.ts'
import { clientFor, readConnection } from '../cli/connection.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { failureOf } from '../cli/failure.ts'
import { count, note, paint, print, printable, printJson, table } from '../cli/terminal.ts'
import { comingText, timeText } from '../cli/times.ts'
import { waitText } from '../cli/waits.ts'
import { CurfewApiError, type CurfewClient, type Revocation } from '../client/client.ts'
import { type Check, metricsOf, readinessOf, type Sender } from './service-state.ts'

const WATCH_MS = 2_000
/** For the failures by code: the newest ones are enough to see what is wrong. */
const FAILURES_READ = 1_000

interface Options {
  watch?: boolean
  json?: boolean
  profile?: string
}

interface TenantStatus {
  tenant: string
  backlog: Record<string, { uncounted: number }>
  remainingTokens: number
  blockedUntil: string | null
  estimatedCompletionAt: string | null
  oldestQueuedAt: string | null
  waitingFor: Wait | null
}

export interface Status {
  status: string
  checks: Check[]
  backlog: { tenant: string; status: string; count: number }[]
  budgets: { tenant: string; client: string; tier: number; remaining: number; blockedUntil: string | null }[]
  /** `GET /status`: for each tenant, when the backlog is expected to be empty, or what it waits for. */
  tenants: TenantStatus[]
  /** By code. */
  failures: Record<string, number>
  /** False if older failures are not counted, or the key cannot read them. */
  failuresAreComplete: boolean
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
    hasKey ? orElse([], () => tenantsOf(client)) : [],
    hasKey ? orElse(NOT_READ, () => failedOf(client)) : NOT_READ,
  ])
  const codes = Object.groupBy(failed.items, ({ error }) => error?.code ?? 'unknown')
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
    failuresAreComplete: failed.isComplete,
    sources: readiness.sources ?? [],
  }
}

async function tenantsOf(client: CurfewClient): Promise<TenantStatus[]> {
  return (await client.call<{ tenants: TenantStatus[] }>('GET', '/status')).tenants
}

interface Failed {
  /** The newest first. */
  items: Revocation[]
  isComplete: boolean
}

const NOT_READ: Failed = { items: [], isComplete: false }

async function failedOf(client: CurfewClient): Promise<Failed> {
  const { items, nextCursor } = await client.call<{ items: Revocation[]; nextCursor: string | null }>(
    'GET',
    '/revocations',
    { query: { status: 'failed', limit: FAILURES_READ } },
  )
  return { items, isComplete: nextCursor === null }
}

/** @returns `otherwise` if the key lacks the role `read` */
async function orElse<T>(otherwise: T, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof CurfewApiError && error.status === 403) return otherwise
    throw error
  }
}

const COLORS = { ok: 'green', warning: 'yellow', failed: 'red' } as const

function lines(status: Status): string[] {
  const { checks, backlog, budgets, tenants, sources } = status
  const color = status.status === 'ready' ? 'green' : 'red'
  return [
    `Curfew is ${paint(color, printable(status.status))}.`,
    ...checks
      .filter((check) => check.status !== 'ok')
      .map(({ name, status, detail }) => {
        const color = COLORS[status as keyof typeof COLORS] ?? 'yellow'
        return `  ${paint(color, printable(status))}  ${printable(name)}${detail ? `: ${printable(detail)}` : ''}`
      }),
    ...backlogLines(backlog, tenants),
    ...(budgets.length > 0 ? ['Calls left in the current window:'] : []),
    ...budgets.map(({ tenant, tier, remaining, blockedUntil }) => {
      const block = blockedUntil ? `, blocked by Qlik until ${comingText(blockedUntil)}` : ''
      return `  ${printable(tenant)}  tier ${tier}: ${remaining}${block}`
    }),
    ...failureLines(status),
    ...sourceLines(sources),
  ]
}

function failureLines({ failures, failuresAreComplete }: Status): string[] {
  const counts = Object.entries(failures)
  if (counts.length === 0) return []
  const read = counts.reduce((sum, [, number]) => sum + number, 0)
  return [
    failuresAreComplete ? 'Failed:' : `Failed (only the newest ${read}):`,
    ...counts.map(([code, number]) => `  ${printable(code)}: ${number}`),
  ]
}

/** For each tenant, how much waits, why, until when, and when it will be empty. */
function backlogLines(backlog: Status['backlog'], tenants: readonly TenantStatus[]): string[] {
  const left = backlog.filter((one) => one.count > 0)
  if (left.length === 0) return ['Backlog: empty']
  const byTenant = Map.groupBy(left, ({ tenant }) => tenant)
  return [
    'Backlog:',
    ...[...byTenant].flatMap(([name, counts]) => [
      `  ${printable(`${name}  ${counts.map((one) => count(one.count, one.status, one.status)).join(', ')}`)}`,
      ...tenants.filter(({ tenant }) => tenant === name).flatMap(sentencesOf),
    ]),
  ]
}

function sentencesOf({ backlog, remainingTokens, waitingFor, ...times }: TenantStatus): string[] {
  const uncounted = Object.values(backlog).reduce((sum, reason) => sum + reason.uncounted, 0)
  const others = uncounted > 0 ? `, and those of ${count(uncounted, 'user')} not counted yet` : ''
  const { oldestQueuedAt, estimatedCompletionAt } = times
  return [
    remainingTokens + uncounted > 0 ? `${count(remainingTokens, 'token')} left${others}.` : null,
    oldestQueuedAt ? `The oldest was queued at ${timeText(oldestQueuedAt)}.` : null,
    waitingFor ? waitText(waitingFor) : null,
    estimatedCompletionAt ? `Estimated completion: ${comingText(estimatedCompletionAt)}.` : null,
  ].flatMap((sentence) => (sentence === null ? [] : `    ${printable(sentence)}`))
}

function sourceLines(sources: readonly Sender[]): string[] {
  if (sources.length === 0) return []
  const rows = sources.map(({ name, kind, lastAcceptedAt, lastRejected }) => [
    printable(name),
    printable(kind ?? ''),
    printable(lastAcceptedAt ? timeText(lastAcceptedAt) : 'none'),
    printable(lastRejected ? `${timeText(lastRejected.at)} ${lastRejected.code}` : 'none'),
  ])
  return table([['SOURCE', 'KIND', 'LAST ACCEPTED', 'LAST REJECTED'], ...rows])
}
