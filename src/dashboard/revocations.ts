import { html } from 'ghtml'
import { z } from 'zod'
import { textOfUser } from '../base/user-name.ts'
import type { Revocation } from '../client/types.ts'
import { ACTIONS, buttons, hiddenFields } from './actions.ts'
import { checked } from './checked.ts'
import { type Field, filterForm, type Suggestions, TIME_HINT } from './filter-form.ts'
import { Filters, toField } from './filters.ts'
import { type Column, csrfField, type Html, older, PREFIX, table, text, time } from './layout.ts'
import { PAGE_SIZE, type Page, type PageRequest } from './page.ts'

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
  const [{ items, nextCursor, count }, suggestions] = await Promise.all([
    api.get<Listed>('/revocations', { ...filters, cursor, limit: String(PAGE_SIZE), count: 'true' }),
    api.get<Suggestions>('/suggestions'),
  ])
  const found = count ? `${count.isExact ? '' : 'more than '}${count.value}` : ''
  const hasActions = mayOperate && items.length > 0
  const columns = hasActions ? [SELECT, ...COLUMNS] : COLUMNS
  const none =
    Object.keys(filters).length > 0
      ? 'No revocation matches. Remove a filter.'
      : 'No revocation yet. Send a logout, and it appears here.'
  const listed = table('Revocations, newest first', columns, items, none)
  return html`!${filterForm('/revocations', fieldsOf(suggestions), filters)}<p role="status" class="count">${found} found</p>
!${hasActions ? selectionForm(filters, found, listed, csrf) : listed}!${older('/revocations', filters, nextCursor)}`
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
      choices: ['revoked', 'nothing-to-revoke', 'no-such-user', 'no-matching-user', 'none-visible'],
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
  return textOfUser(user) || 'erased'
}

export function stateOf({ status, verified, error }: Revocation): Html {
  if (status === 'completed')
    return verified ? '<span class="good">verified</span>' : 'completed, not verified'
  const code = error ? html` <code>${error.code}</code>` : ''
  return html`<span!${status === 'failed' ? ' class="bad"' : ''}>${status}</span>!${code}`
}
