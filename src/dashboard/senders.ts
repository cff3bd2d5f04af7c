import { html } from 'ghtml'
import { type Api, ApiError } from './api.ts'
import { sparkline } from './charts.ts'
import { type Column, type Html, table, text, time } from './layout.ts'
import type { Page } from './page.ts'

const EXPIRES_SOON_MS = 14 * 24 * 60 * 60_000

interface Sender {
  name: string
  lastAcceptedAt: string | null
  lastRejected: { at: string; code: string; authenticated: boolean } | null
  rejections: { perHour: number[]; last: { at: string; code: string } | null } | null
}

interface ApiKey extends Sender {
  roles: string[]
  tenants: string[] | null
  notBefore: string | null
  expiresAt: string | null
  lastUsedAt: string | null
}

interface Senders {
  apiKeys: ApiKey[]
  webhookSecrets: (Sender & { tenants: string[] | null })[]
  sources: (Sender & { kind: string })[]
  rejectionsSince: string | null
}

/** Who sends signals, whose requests are rejected and why, and which keys expire. */
export const sendersPage: Page = {
  method: 'GET',
  path: '/senders',
  section: 'senders',
  handle: async ({ api }) => ({ title: 'Sources and keys', content: await sendersContent(api) }),
}

async function sendersContent(api: Api): Promise<Html> {
  try {
    const [senders, { at }] = await Promise.all([
      api.get<Senders>('/senders'),
      api.get<{ at: string }>('/status'),
    ])
    return show(senders, Date.parse(at))
  } catch (error) {
    if (!(error instanceof ApiError) || error.problem.code !== 'CURFEW_ROLE_REQUIRED') throw error
    return '<p class="empty">Sources and keys are shown to API keys with the role operate. Sign in with such a key.</p>'
  }
}

function show({ sources, apiKeys, webhookSecrets, rejectionsSince }: Senders, now: number): Html {
  return html`!${scopeOf(rejectionsSince)}
!${table('Sources', SOURCES, sources, 'No source is configured: add one to sources in CONFIG_FILE.')}
!${table('API keys', keyColumns(now), apiKeys, 'This key sees no API key: it is restricted to tenants.')}
!${table('Webhook secrets', WEBHOOKS, webhookSecrets, 'No webhook secret is configured.')}`
}

function scopeOf(rejectionsSince: string | null): Html {
  const own = 'Last use, and requests that did not authenticate, are those of the process that answered.'
  return rejectionsSince === null
    ? html`<p class="hint">Rejections are not counted: the audit trail is off. ${own}</p>`
    : html`<p class="hint">Rejections of authenticated requests are those of all replicas since !${time(rejectionsSince)}. ${own}</p>`
}

const tenantsOf = (tenants: string[] | null) => text(tenants === null ? 'all' : tenants.join(', '))

const REQUESTS: readonly Column<Sender>[] = [
  { name: 'Last accepted', cell: ({ lastAcceptedAt }) => time(lastAcceptedAt) },
  { name: 'Last rejected', cell: (sender) => lastRejection(sender) },
  { name: 'Authenticated rejections', cell: ({ rejections }) => history(rejections) },
]

const SOURCES: readonly Column<Senders['sources'][number]>[] = [
  { name: 'Source', cell: ({ name }) => html`<b>${name}</b>` },
  { name: 'Kind', cell: ({ kind }) => text(kind) },
  ...REQUESTS,
]

const WEBHOOKS: readonly Column<Senders['webhookSecrets'][number]>[] = [
  { name: 'Secret', cell: ({ name }) => html`<b>${name}</b>` },
  { name: 'Tenants', cell: ({ tenants }) => tenantsOf(tenants) },
  ...REQUESTS,
]

const keyColumns = (now: number): Column<ApiKey>[] => [
  { name: 'Key', cell: ({ name }) => html`<b>${name}</b>` },
  { name: 'Roles', cell: ({ roles }) => text(roles.join(', ')) },
  { name: 'Tenants', cell: ({ tenants }) => tenantsOf(tenants) },
  { name: 'Expires', cell: (key) => expiry(key, now) },
  { name: 'Last used', cell: ({ lastUsedAt }) => time(lastUsedAt) },
  ...REQUESTS,
]

function expiry({ notBefore, expiresAt }: ApiKey, now: number): Html {
  if (notBefore !== null && Date.parse(notBefore) > now) return html`valid from !${time(notBefore)}`
  if (expiresAt === null) return text('never')
  const left = Date.parse(expiresAt) - now
  if (left > EXPIRES_SOON_MS) return time(expiresAt)
  return html`<span class="bad">${left > 0 ? 'soon: ' : 'expired: '}</span>!${time(expiresAt)}`
}

/** The later one of both: the audit trail has those of all replicas, the process those that did not authenticate. */
function lastRejection({ lastRejected, rejections }: Sender): Html {
  const all = [
    ...(lastRejected
      ? [{ ...lastRejected, note: lastRejected.authenticated ? '' : ' (not authenticated)' }]
      : []),
    ...(rejections?.last ? [{ ...rejections.last, note: '' }] : []),
  ].sort((one, other) => other.at.localeCompare(one.at))
  const [last] = all
  return last ? html`!${time(last.at)}<br><code>${last.code}</code>${last.note}` : text(null)
}

function history(rejections: Sender['rejections']): Html {
  if (rejections === null) return text(null)
  const total = rejections.perHour.reduce((sum, count) => sum + count, 0)
  if (total === 0) return '<span class="good">none</span>'
  const description = `${total} rejections in 24 hours, by hour: ${rejections.perHour.join(', ')}`
  return html`!${sparkline(rejections.perHour, description)}<br><span class="hint">${rejections.perHour.at(-1) ?? 0} in the last hour, ${total} in 24 h</span>`
}
