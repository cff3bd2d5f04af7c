import { html } from 'ghtml'
import { z } from 'zod'
import type { Revocation } from '../client/types.ts'
import { ACTIONS, buttons, hiddenFields } from './actions.ts'
import { checked } from './checked.ts'
import { FILTERS, type Filter, Filters, toField } from './filters.ts'
import { type Column, csrfField, type Html, PREFIX, table, text, time } from './layout.ts'
import type { Page, PageRequest } from './page.ts'

const CHOICES: Partial<Record<Filter, readonly string[]>> = {
  status: ['queued', 'running', 'held', 'completed', 'failed', 'superseded', 'cancelled'],
  reason: ['security', 'logout', 'session-expired'],
}

const NAMES: Partial<Record<Filter, string>> = {
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

const Cursor = z.object({ cursor: z.string().max(255).optional() })

/** A search, with actions on what is selected, and on everything that matches. */
export const revocationsPage: Page = {
  method: 'GET',
  path: '/revocations',
  section: 'revocations',
  handle: async (request) => ({ title: 'Revocations', content: await revocationsContent(request) }),
}

async function revocationsContent({ api, query, mayOperate, csrf }: PageRequest): Promise<Html> {
  const filters = checked(Filters, query)
  const { cursor } = checked(Cursor, query)
  const { items, nextCursor, count } = await api.get<Listed>('/revocations', {
    ...filters,
    cursor,
    limit: '50',
    count: 'true',
  })
  const found = count ? `${count.isExact ? '' : 'more than '}${count.value}` : ''
  const more =
    nextCursor &&
    html`<p><a rel="next" href="${PREFIX}/revocations?${new URLSearchParams({ ...filters, cursor: nextCursor })}">Older</a></p>`
  const hasActions = mayOperate && items.length > 0
  const columns = hasActions ? [SELECT, ...COLUMNS] : COLUMNS
  const listed = table('Revocations, newest first', columns, items, 'No revocation matches. Remove a filter.')
  return html`!${filterForm(filters)}<p role="status">${found} found</p>
!${hasActions ? selectionForm(filters, found, listed, csrf) : listed}!${more ?? ''}`
}

/** The API requires a filter, so that nothing is changed by leaving one out. */
function selectionForm(filters: Filters, found: string, listed: Html, csrf: string): Html {
  const all =
    Object.keys(filters).length > 0
      ? html`<option value="matching">all that match (${found})</option>`
      : html`<option value="matching" disabled>all that match: set a filter first</option>`
  return html`<form method="post" action="${PREFIX}/revocations/confirm">!${csrfField(csrf)}!${hiddenFields([['matching', toField(filters)]])}
<div class="actions"><div><label for="of">Change</label><select id="of" name="of"><option value="selected">the selected ones</option>!${all}</select></div>
!${buttons(ACTIONS)}</div>
!${listed}</form>`
}

const SELECT: Column<Revocation> = {
  name: 'Select',
  cell: (one) =>
    html`<input type="checkbox" name="ids" value="${one.id}" aria-label="Select ${nameOf(one)}">`,
}

function filterForm(filters: Filters): Html {
  const fields = FILTERS.map((name) => {
    const label = NAMES[name] ?? `${name[0]?.toUpperCase()}${name.slice(1)}`
    return html`<div><label for="${name}">${label}</label>!${fieldOf(name, filters[name] ?? '')}</div>`
  })
  return html`<form class="filters" method="get" action="${PREFIX}/revocations">!${fields.join('')}<button>Search</button>
<a href="${PREFIX}/revocations">Clear</a></form>`
}

function fieldOf(name: Filter, value: string): Html {
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
