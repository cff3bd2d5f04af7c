import { html } from 'ghtml'
import { z } from 'zod'
import type { Revocation } from '../client/types.ts'
import type { Api } from './api.ts'
import { checked } from './checked.ts'
import { type Field, filterForm, type Suggestions, TIME_HINT } from './filter-form.ts'
import { type Column, type Html, older, PREFIX, table, text, time } from './layout.ts'
import type { Page } from './page.ts'

/** The filters of `GET /revocations`. */
export const FILTERS = [
  'email',
  'subject',
  'userId',
  'tenant',
  'source',
  'key',
  'code',
  'outcome',
  'batch',
  'status',
  'reason',
  'since',
  'until',
] as const
export type Filters = Partial<Record<(typeof FILTERS)[number] | 'cursor', string>>

interface Listed {
  items: Revocation[]
  nextCursor: string | null
  count?: { value: number; isExact: boolean }
}

const Search = z.object(
  Object.fromEntries([...FILTERS, 'cursor'].map((name) => [name, z.string().max(255).optional()])),
)

/** A search. */
export const revocationsPage: Page = {
  method: 'GET',
  path: '/revocations',
  section: 'revocations',
  handle: async ({ api, query }) => ({
    title: 'Revocations',
    content: await revocationsContent(api, checked(Search, query)),
  }),
}

async function revocationsContent(api: Api, filters: Filters): Promise<Html> {
  const [{ items, nextCursor, count }, suggestions] = await Promise.all([
    api.get<Listed>('/revocations', { ...filters, limit: '50', count: 'true' }),
    api.get<Suggestions>('/suggestions'),
  ])
  const found = count ? `${count.isExact ? '' : 'more than '}${count.value} found` : ''
  const isFiltered = FILTERS.some((name) => filters[name])
  const none = isFiltered
    ? 'No revocation matches. Remove a filter.'
    : 'No revocation yet. Send a logout, and it appears here.'
  return html`!${filterForm('/revocations', fieldsOf(suggestions), filters)}<p role="status" class="count">${found}</p>
!${table('Revocations, newest first', COLUMNS, items, none)}!${older('/revocations', filters, nextCursor)}`
}

function fieldsOf({ tenant, source, key, code }: Suggestions): Field[] {
  return [
    { name: 'email', label: 'E-mail' },
    {
      name: 'status',
      label: 'Status',
      choices: ['queued', 'running', 'held', 'completed', 'failed', 'superseded', 'cancelled'],
    },
    { name: 'code', label: 'Error code', suggestions: code },
    { name: 'tenant', label: 'Tenant', suggestions: tenant },
    { name: 'subject', label: 'Subject', isRare: true },
    { name: 'userId', label: 'Qlik user id', isRare: true },
    { name: 'source', label: 'Source', suggestions: source, isRare: true },
    { name: 'key', label: 'Key', suggestions: key, isRare: true },
    { name: 'reason', label: 'Reason', choices: ['security', 'logout', 'session-expired'], isRare: true },
    {
      name: 'outcome',
      label: 'Outcome',
      choices: ['revoked', 'nothing-to-revoke', 'no-such-user', 'none-visible'],
      isRare: true,
    },
    { name: 'batch', label: 'Batch', isRare: true },
    { name: 'since', label: 'Accepted since', hint: TIME_HINT, isRare: true },
    { name: 'until', label: 'Accepted before', hint: TIME_HINT, isRare: true },
  ]
}

const COLUMNS: readonly Column<Revocation>[] = [
  { name: 'User', cell: (one) => html`<a href="${PREFIX}/revocations/${one.id}">${nameOf(one)}</a>` },
  { name: 'State', cell: (one) => stateOf(one) },
  { name: 'Tenant', cell: ({ tenant }) => text(tenant) },
  { name: 'Reason', cell: ({ reason }) => text(reason) },
  { name: 'Source', cell: ({ source }) => text(source) },
  { name: 'Tokens revoked', isNumber: true, cell: ({ tokens }) => text(tokens.revoked) },
  { name: 'Accepted', cell: ({ acceptedAt }) => time(acceptedAt) },
  {
    name: 'Completed',
    cell: ({ completedAt, estimatedCompletionAt }) =>
      completedAt
        ? time(completedAt)
        : estimatedCompletionAt
          ? html`expected !${time(estimatedCompletionAt)}`
          : text(null),
  },
]

export function nameOf({ user }: Revocation): string {
  return user.email ?? user.subject ?? user.userId ?? 'erased'
}

export function stateOf({ status, verified, error }: Revocation): Html {
  if (status === 'completed')
    return verified ? '<span class="good">verified</span>' : 'completed, not verified'
  const code = error ? html` <code>${error.code}</code>` : ''
  return html`<span!${status === 'failed' ? ' class="bad"' : ''}>${status}</span>!${code}`
}
