import { html } from 'ghtml'
import { z } from 'zod'
import type { Revocation } from '../client/types.ts'
import type { Api } from './api.ts'
import { checked } from './checked.ts'
import { type Column, type Html, PREFIX, table, text, time } from './layout.ts'
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

const CHOICES: Partial<Record<(typeof FILTERS)[number], readonly string[]>> = {
  status: ['queued', 'running', 'held', 'completed', 'failed', 'superseded', 'cancelled'],
  reason: ['security', 'logout', 'session-expired'],
}

const NAMES: Partial<Record<(typeof FILTERS)[number], string>> = {
  email: 'E-mail',
  userId: 'Qlik user id',
  key: 'Key',
  code: 'Error code',
}

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
  const { items, nextCursor, count } = await api.get<Listed>('/revocations', {
    ...filters,
    limit: '50',
    count: 'true',
  })
  const found = count ? `${count.isExact ? '' : 'more than '}${count.value} found` : ''
  const more =
    nextCursor &&
    html`<p><a rel="next" href="${PREFIX}/revocations?${new URLSearchParams({ ...filters, cursor: nextCursor })}">Older</a></p>`
  return html`!${filterForm(filters)}<p role="status">${found}</p>
!${table('Revocations, newest first', COLUMNS, items, 'No revocation matches. Remove a filter.')}!${more ?? ''}`
}

function filterForm(filters: Filters): Html {
  const fields = FILTERS.map((name) => {
    const label = NAMES[name] ?? `${name[0]?.toUpperCase()}${name.slice(1)}`
    return html`<div><label for="${name}">${label}</label>!${fieldOf(name, filters[name] ?? '')}</div>`
  })
  return html`<form class="filters" method="get" action="${PREFIX}/revocations">!${fields.join('')}<button>Search</button>
<a href="${PREFIX}/revocations">Clear</a></form>`
}

function fieldOf(name: (typeof FILTERS)[number], value: string): Html {
  const choices = CHOICES[name]
  if (!choices) {
    const example = name === 'since' || name === 'until' ? ' placeholder="2026-11-28T12:00:00Z"' : ''
    return html`<input id="${name}" name="${name}" value="${value}" maxlength="255"!${example}>`
  }
  const options = ['', ...choices].map(
    (one) =>
      html`<option value="${one}"!${one === value ? ' selected' : ''}>${one === '' ? 'any' : one}</option>`,
  )
  return html`<select id="${name}" name="${name}">!${options.join('')}</select>`
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
