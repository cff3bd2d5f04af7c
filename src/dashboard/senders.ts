import { html } from 'ghtml'
import { expiringKeys } from '../http/key-expiry.ts'
import { ApiError } from './api.ts'
import { sparkline } from './charts.ts'
import { type Column, type Html, table, text, time } from './layout.ts'
import { numberText } from './numbers.ts'
import type { Page, PageRequest } from './page.ts'

const DAY_MS = 24 * 60 * 60_000

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
  handle: async (request) => ({ title: 'Sources and keys', content: await sendersContent(request) }),
}

async function sendersContent({ api, key, clock }: PageRequest): Promise<Html> {
  try {
    const senders = await api.get<Senders>('/senders')
    return show(senders, { now: clock.now(), isRestricted: key.tenants !== null })
  } catch (error) {
    if (!(error instanceof ApiError) || error.problem.code !== 'CURFEW_ROLE_REQUIRED') throw error
    return '<p class="empty">Sources and keys are shown to API keys with the role operate. Sign in with such a key.</p>'
  }
}

function show(
  { sources, apiKeys, webhookSecrets, rejectionsSince: since }: Senders,
  { now, isRestricted }: { now: number; isRestricted: boolean },
): Html {
  const none = (of: string, otherwise: string) =>
    isRestricted ? `This key sees no ${of}: it is restricted to tenants.` : otherwise
  const requests = requestColumns(since, now)
  const noSource = none('source', 'No source is configured: add one to sources in CONFIG_FILE.')
  const noSecret = none('webhook secret', 'No webhook secret is configured.')
  return html`!${scopeOf(since)}
!${table('Sources', [...SOURCES, ...requests], sources, noSource)}
!${table('API keys', [...keyColumns(now), ...requests], apiKeys, none('API key', 'No API key is configured.'))}
!${table('Webhook secrets', [...WEBHOOKS, ...requests], webhookSecrets, noSecret)}`
}

function scopeOf(rejectionsSince: string | null): Html {
  const own = 'Last use, and requests that did not authenticate, are those of the process that answered.'
  return rejectionsSince === null
    ? html`<p class="hint">Rejections are not counted: the audit trail is off. ${own}</p>`
    : html`<p class="hint">Rejections of authenticated requests are those of all replicas since !${time(rejectionsSince)}. ${own}</p>`
}

const tenantsOf = (tenants: string[] | null) => text(tenants === null ? 'all' : tenants.join(', '))

const requestColumns = (since: string | null, now: number): Column<Sender>[] => [
  { name: 'Last accepted', cell: ({ lastAcceptedAt }) => time(lastAcceptedAt) },
  { name: 'Last rejected', cell: (sender) => lastRejection(sender) },
  { name: 'Authenticated rejections', cell: ({ rejections }) => history(rejections, since, now) },
]

const SOURCES: readonly Column<Senders['sources'][number]>[] = [
  { name: 'Source', cell: ({ name }) => html`<b>${name}</b>` },
  { name: 'Kind', cell: ({ kind }) => text(kind) },
]

const WEBHOOKS: readonly Column<Senders['webhookSecrets'][number]>[] = [
  { name: 'Secret', cell: ({ name }) => html`<b>${name}</b>` },
  { name: 'Tenants', cell: ({ tenants }) => tenantsOf(tenants) },
]

const keyColumns = (now: number): Column<ApiKey>[] => [
  { name: 'Key', cell: ({ name }) => html`<b>${name}</b>` },
  { name: 'Roles', cell: ({ roles }) => text(roles.join(', ')) },
  { name: 'Tenants', cell: ({ tenants }) => tenantsOf(tenants) },
  { name: 'Expires', cell: (key) => expiry(key, now) },
  { name: 'Last used', cell: ({ lastUsedAt }) => time(lastUsedAt) },
]

function expiry({ name, notBefore, expiresAt }: ApiKey, now: number): Html {
  if (notBefore !== null && Date.parse(notBefore) > now) return html`valid from !${time(notBefore)}`
  if (expiresAt === null) return text('never')
  const { soon, expired } = expiringKeys([{ name, notBefore: null, expiresAt: Date.parse(expiresAt) }], now)
  if (soon.length + expired.length === 0) return time(expiresAt)
  return html`<span class="bad">${soon.length > 0 ? 'soon: ' : 'expired: '}</span>!${time(expiresAt)}`
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

/** @param since from when on they are counted: after many rejections, that is less than 24 hours */
function history(rejections: Sender['rejections'], since: string | null, now: number): Html {
  if (rejections === null || since === null) return text(null)
  const { perHour } = rejections
  const total = perHour.reduce((sum, count) => sum + count, 0)
  const isWholeDay = Date.parse(since) <= now - DAY_MS
  if (total === 0)
    return isWholeDay ? '<span class="good">none</span>' : html`not known before !${time(since)}`
  const description = `${total} rejections, by hour: ${perHour.join(', ')}`
  const figures = isWholeDay
    ? html`${numberText(perHour.at(-1) ?? 0)} in the last hour, ${numberText(total)} in 24 h`
    : html`${numberText(total)} since !${time(since)}`
  return html`!${sparkline(perHour, description)}<br><span class="hint">!${figures}</span>`
}
