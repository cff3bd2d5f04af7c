import { html } from 'ghtml'
import type { Wait } from '../base/waits.ts'
import type { Api } from './api.ts'
import { type Html, PREFIX, table, text, time } from './layout.ts'
import { countText, numberText } from './numbers.ts'
import type { Page } from './page.ts'
import { statisticsContent } from './statistics.ts'
import { waitOf } from './wait.ts'

interface Backlog {
  queued: number
  running: number
}

/** Calls to Qlik Cloud of one tier. */
interface Budget {
  available: number
  perWindow: number
  nextAt: string | null
  blockedUntil: string | null
}

interface Client {
  client: string
  isRefused: boolean
  reads: Budget
  revocations: Budget
}

/** A page with all of thousands would be slow, and hard to read. */
const MAX_TENANTS = 100

interface Tenant {
  tenant: string
  backlog: Record<'security' | 'logout' | 'session-expired', Backlog>
  remainingTokens: number
  clients: Client[]
  estimatedCompletionAt: string | null
  oldestQueuedAt: string | null
  waitingFor: Wait | null
}

interface Counted {
  count?: { value: number; isExact: boolean }
}

interface Readiness {
  status: string
  checks?: { name: string; status: string; detail?: string }[]
}

/** What is waiting, until when, and what needs the operator. */
export const nowPage: Page = {
  method: 'GET',
  path: '',
  section: 'now',
  handle: async ({ api }) => ({ title: 'Now', content: await nowContent(api) }),
}

async function nowContent(api: Api): Promise<Html> {
  const count = (query: Record<string, string>) =>
    api.get<Counted>('/revocations', { ...query, limit: '1', count: 'true' }).then(({ count }) => count)
  const [{ tenants }, readiness, failed, held, statistics] = await Promise.all([
    api.get<{ tenants: Tenant[] }>('/status'),
    api.get<Readiness>('/health/ready'),
    count({ status: 'failed' }),
    count({ status: 'held' }),
    statisticsContent(api),
  ])
  const sum = (of: (tenant: Tenant) => number) => tenants.reduce((total, one) => total + of(one), 0)
  const queued = sum((one) => total(one, 'queued'))
  const running = sum((one) => total(one, 'running'))
  return html`<ul class="tiles">
!${tile('Queued', queued, '?status=queued')}!${tile('Running', running, '?status=running')}
!${tile(
    'Tokens to revoke',
    sum(({ remainingTokens }) => remainingTokens),
  )}
!${tile('Held', shown(held), '?status=held', (held?.value ?? 0) > 0)}
!${tile('Failed', shown(failed), '?status=failed', (failed?.value ?? 0) > 0)}
</ul>
!${checks(readiness)}
!${statistics}
!${tenantTables(tenants)}`
}

function tile(name: string, value: number | string, query: string | null = null, isBad = false): Html {
  const label = query === null ? text(name) : html`<a href="${PREFIX}/revocations${query}">${name}</a>`
  return html`<li><b!${isBad ? ' class="bad"' : ''}>${typeof value === 'number' ? numberText(value) : value}</b>!${label}</li>`
}

function shown(count: Counted['count']): string {
  return count ? countText(count) : '–'
}

function total({ backlog }: Tenant, of: keyof Backlog): number {
  return Object.values(backlog).reduce((sum, counts) => sum + counts[of], 0)
}

/** Those with the longest backlog. */
function tenantTables(tenants: readonly Tenant[]): Html {
  const unended = (one: Tenant) => total(one, 'queued') + total(one, 'running')
  const first = tenants.toSorted((one, other) => unended(other) - unended(one)).slice(0, MAX_TENANTS)
  const rest = tenants.length - first.length
  const more = rest > 0 ? html`<p class="hint">${rest} more tenants have a shorter backlog.</p>` : ''
  return html`!${backlogTable(first)}!${more}!${budgetTable(first)}`
}

function backlogTable(tenants: readonly Tenant[]): Html {
  const queued = (reason: keyof Tenant['backlog'], name: string) => ({
    name,
    isNumber: true,
    cell: ({ backlog }: Tenant) => text(backlog[reason].queued),
  })
  return table(
    'Backlog of each tenant',
    [
      { name: 'Tenant', cell: ({ tenant }) => html`<b>${tenant}</b>` },
      queued('security', 'Security'),
      queued('logout', 'Logout'),
      queued('session-expired', 'Session expired'),
      { name: 'Running', isNumber: true, cell: (one) => text(total(one, 'running')) },
      { name: 'Tokens', isNumber: true, cell: ({ remainingTokens }) => text(remainingTokens) },
      { name: 'Oldest since', cell: ({ oldestQueuedAt }) => time(oldestQueuedAt) },
      { name: 'Expected completion', cell: (one) => emptyAt(one) },
    ],
    tenants,
    'No tenant is in use. Send a logout, and it appears here.',
  )
}

function budgetTable(tenants: readonly Tenant[]): Html {
  const rows = tenants.flatMap(({ tenant, clients }) => clients.map((client) => ({ tenant, ...client })))
  if (rows.length === 0) return ''
  type Row = (typeof rows)[number]
  const columnsOf = (name: string, of: (row: Row) => Budget) => [
    {
      name: `${name} available`,
      isNumber: true,
      cell: (row: Row) => text(`${numberText(of(row).available)} of ${numberText(of(row).perWindow)}`),
    },
    { name: `${name} blocked`, cell: (row: Row) => blocked(of(row)) },
  ]
  return table(
    'Budget of each OAuth client, in calls per window',
    [
      { name: 'Tenant', cell: ({ tenant }: Row) => html`<b>${tenant}</b>` },
      {
        name: 'Client',
        cell: ({ client, isRefused }: Row) =>
          html`<code>${client}</code>!${isRefused ? '<br><span class="bad">refused by Qlik Cloud</span>' : ''}`,
      },
      ...columnsOf('Tier 1, reads:', ({ reads }) => reads),
      ...columnsOf('Tier 2, revocations:', ({ revocations }) => revocations),
    ],
    rows,
    '',
  )
}

function blocked({ blockedUntil, nextAt }: Budget): Html {
  if (blockedUntil !== null) return html`<span class="bad">blocked</span> until !${time(blockedUntil)}`
  return nextAt === null ? '<span class="hint">not blocked</span>' : html`used up until !${time(nextAt)}`
}

function emptyAt({ estimatedCompletionAt, waitingFor }: Tenant): Html {
  const wait = waitingFor && html`<br>Waits for !${waitOf(waitingFor)}`
  return `${time(estimatedCompletionAt)}${wait ?? ''}`
}

function checks({ checks = [] }: Readiness): Html {
  const others = checks.filter(({ status }) => status !== 'ok')
  if (others.length === 0) return '<p class="good">All checks are ok.</p>'
  return table(
    'Checks that need attention',
    [
      { name: 'Check', cell: ({ name }) => text(name) },
      { name: 'Status', cell: ({ status }) => html`<span class="bad">${status}</span>` },
      { name: 'Detail', cell: ({ detail }) => text(detail) },
    ],
    others,
    '',
  )
}
