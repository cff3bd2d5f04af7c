import { html } from 'ghtml'
import type { Api } from './api.ts'
import { type Html, PREFIX, table, text, time } from './layout.ts'
import type { Page } from './page.ts'

interface Backlog {
  queued: number
  running: number
}

interface Tenant {
  tenant: string
  backlog: Record<'security' | 'logout' | 'session-expired', Backlog>
  remainingTokens: number
  permits: { available: number; perWindow: number; nextAt: string | null } | null
  blockedUntil: string | null
  estimatedCompletionAt: string | null
  oldestQueuedAt: string | null
  waitingFor: { what: string; until: string | null } | null
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
  const [status, readiness, failed, held] = await Promise.all([
    api.get<{ tenants: Tenant[] }>('/status'),
    api.get<Readiness>('/health/ready'),
    count({ status: 'failed' }),
    count({ status: 'held' }),
  ])
  const { tenants } = status
  const sum = (of: (tenant: Tenant) => number) => tenants.reduce((total, one) => total + of(one), 0)
  return html`
<ul class="tiles">
!${tile(
    'queued',
    sum((one) => total(one, 'queued')),
    '?status=queued',
  )}
!${tile(
    'running',
    sum((one) => total(one, 'running')),
    '?status=running',
  )}
!${tile(
    'tokens to revoke, as far as known',
    sum(({ remainingTokens }) => remainingTokens),
  )}
!${tile('held', shown(held), '?status=held', (held?.value ?? 0) > 0)}
!${tile('failed', shown(failed), '?status=failed', (failed?.value ?? 0) > 0)}
</ul>
!${tenantTable(tenants)}
!${checkTable(readiness)}`
}

function tile(name: string, value: number | string, query: string | null = null, isBad = false): Html {
  const label = query === null ? text(name) : html`<a href="${PREFIX}/revocations${query}">${name}</a>`
  return html`<li><b!${isBad ? ' class="bad"' : ''}>${value}</b>!${label}</li>`
}

function shown(count: Counted['count']): string {
  return count ? `${count.value}${count.isExact ? '' : '+'}` : '–'
}

function total({ backlog }: Tenant, of: keyof Backlog): number {
  return Object.values(backlog).reduce((sum, counts) => sum + counts[of], 0)
}

function tenantTable(tenants: readonly Tenant[]): Html {
  const queued = (reason: keyof Tenant['backlog']) => ({
    name: `${reason}, queued`,
    isNumber: true,
    cell: ({ backlog }: Tenant) => text(backlog[reason].queued),
  })
  return table(
    'Tenants',
    [
      { name: 'Tenant', cell: ({ tenant }) => text(tenant) },
      ...(['security', 'logout', 'session-expired'] as const).map(queued),
      { name: 'Running', isNumber: true, cell: (one) => text(total(one, 'running')) },
      {
        name: 'Deletes available',
        isNumber: true,
        cell: ({ permits }) => text(permits && `${permits.available} of ${permits.perWindow}`),
      },
      { name: 'Oldest since', cell: ({ oldestQueuedAt }) => time(oldestQueuedAt) },
      { name: 'Empty at', cell: (one) => emptyAt(one) },
    ],
    tenants,
    'No tenant is in use. Send a logout, and it appears here.',
  )
}

const WAITS: Record<string, string> = {
  'qlik-rate-limit': 'Blocked by Qlik Cloud',
  budget: 'Waits for the rate limit',
  'tenant-failing': 'Its last calls failed',
  'client-refused': 'Its OAuth client is refused',
  'unknown-tenant': 'It is not configured',
}

function emptyAt({ estimatedCompletionAt, waitingFor }: Tenant): Html {
  const wait =
    waitingFor &&
    html`<br>${WAITS[waitingFor.what] ?? waitingFor.what}!${waitingFor.until ? html` until !${time(waitingFor.until)}` : ''}`
  return `${time(estimatedCompletionAt)}${wait ?? ''}`
}

function checkTable({ checks = [] }: Readiness): Html {
  const others = checks.filter(({ status }) => status !== 'ok')
  return table(
    'Checks that need attention',
    [
      { name: 'Check', cell: ({ name }) => text(name) },
      { name: 'Status', cell: ({ status }) => html`<span class="bad">${status}</span>` },
      { name: 'Detail', cell: ({ detail }) => text(detail) },
    ],
    others,
    '<span class="good">All checks are ok.</span>',
  )
}
