import { html } from 'ghtml'
import { z } from 'zod'
import { type Api, ApiError } from './api.ts'
import { checked } from './checked.ts'
import { type Field, filterForm, type Suggestions, TIME_HINT } from './filter-form.ts'
import { type Column, type Html, older, PREFIX, table, text, time } from './layout.ts'
import { numberText } from './numbers.ts'
import { PAGE_SIZE, type Page } from './page.ts'

const FILTERS = [
  'event',
  'sender',
  'tenant',
  'revocation',
  'email',
  'subject',
  'userId',
  'from',
  'to',
] as const
const Search = z.object(
  Object.fromEntries([...FILTERS, 'cursor'].map((name) => [name, z.string().max(512).optional()])),
)
type Search = z.infer<typeof Search>

interface Entry {
  at: number
  writer: string
  sequence: number
  event: string
  by: { kind: string; name: string } | null
  address: string | null
  tenant: string | null
  revocation: string | null
  details: Record<string, unknown>
}

interface Item {
  entry: Entry | null
  private: { user?: { kind: string; value: string } } | null
}

interface Check {
  checkedAt: string | null
  total: number
  damaged: number
  chains: {
    writer: string
    last: { sequence: number; at: string } | null
    problem: { problem: string; sequence: number } | null
  }[]
}

/** Who did what: a search in the audit trail, and up to where its chains are intact. */
export const auditPage: Page = {
  method: 'GET',
  path: '/audit',
  section: 'audit',
  handle: async ({ api, query }) => ({
    title: 'Audit trail',
    content: await auditContent(api, checked(Search, query)),
  }),
}

async function auditContent(api: Api, filters: Search): Promise<Html> {
  const [{ items, nextCursor }, chains, suggestions] = await Promise.all([
    api.get<{ items: Item[]; nextCursor: string | null }>('/audit', { ...filters, limit: String(PAGE_SIZE) }),
    chainState(api),
    api.get<Suggestions>('/suggestions'),
  ])
  const none =
    nextCursor === null
      ? 'No entry matches. Remove a filter.'
      : 'No entry on this page matches: see older ones.'
  return html`!${chains}!${filterForm('/audit', fieldsOf(suggestions), filters)}
!${table('Entries, newest first', COLUMNS, items, none)}!${older('/audit', filters, nextCursor)}`
}

function fieldsOf({ event, key, source, tenant }: Suggestions): Field[] {
  return [
    { name: 'event', label: 'Event', choices: event },
    { name: 'sender', label: 'Key or source', suggestions: [...new Set([...key, ...source])] },
    { name: 'email', label: 'E-mail' },
    { name: 'revocation', label: 'Revocation id' },
    { name: 'subject', label: 'Subject', isRare: true },
    { name: 'userId', label: 'Qlik user id', isRare: true },
    { name: 'tenant', label: 'Tenant', suggestions: tenant, isRare: true },
    { name: 'from', label: 'From', hint: TIME_HINT, isRare: true },
    { name: 'to', label: 'Before', hint: TIME_HINT, isRare: true },
  ]
}

/** Why the state of the chains is not shown, by error code. */
const HIDDEN: Record<string, string> = {
  CURFEW_NO_AUDIT_TRAIL: 'The audit trail is off: set AUDIT_RETENTION_DAYS.',
  CURFEW_FORBIDDEN: 'The state of the chains is shown to API keys that are not restricted to tenants.',
}

/** Whether the chains are intact, as far as they are checked. */
async function chainState(api: Api): Promise<Html> {
  try {
    return show(await api.get<Check>('/audit/check'))
  } catch (error) {
    if (!(error instanceof ApiError) || !Object.hasOwn(HIDDEN, error.problem.code)) throw error
    return html`<p class="hint">${HIDDEN[error.problem.code]}</p>`
  }
}

function show({ checkedAt, total, damaged, chains }: Check): Html {
  const state =
    damaged > 0
      ? html`<p class="bad"><strong>${numberText(damaged)} of ${numberText(total)} chains are damaged.</strong> Export the trail and run <code>curfew audit verify</code>.</p>`
      : checkedAt === null
        ? '<p>The first check is not finished. It begins ten minutes after the start.</p>'
        : html`<p><strong class="good">All chains are intact</strong> up to the check at !${time(checkedAt)}.</p>`
  if (chains.length === 0) return html`<div class="state">!${state}</div>`
  const more =
    total > chains.length
      ? html`<p class="hint">${numberText(total - chains.length)} chains are not shown.</p>`
      : ''
  const rows = table('Chains', CHAINS, chains, '')
  return html`<div class="state">!${state}<details id="chains"><summary>Verified up to, for each chain</summary>!${rows}!${more}</details></div>`
}

const CHAINS: readonly Column<Check['chains'][number]>[] = [
  { name: 'Chain', cell: ({ writer }) => html`<code>${writer}</code>` },
  { name: 'Verified up to', cell: ({ last }) => time(last?.at ?? null) },
  { name: 'Entry', isNumber: true, cell: ({ last }) => text(last?.sequence) },
  {
    name: 'Problem',
    cell: ({ problem }) =>
      problem
        ? html`<span class="bad">${problem.problem} at entry ${problem.sequence}</span>`
        : '<span class="good">none</span>',
  },
]

const DAMAGED: Html = '<span class="bad">damaged: see the export</span>'

const COLUMNS: readonly Column<Item>[] = [
  { name: 'Time', cell: ({ entry }) => (entry ? time(new Date(entry.at).toISOString()) : DAMAGED) },
  { name: 'Event', cell: ({ entry }) => text(entry?.event) },
  {
    name: 'By',
    cell: ({ entry }) =>
      entry?.by ? html`${entry.by.name} <span class="hint">${entry.by.kind}</span>` : text(entry && 'Curfew'),
  },
  { name: 'Address', cell: ({ entry }) => text(entry?.address) },
  { name: 'Tenant', cell: ({ entry }) => text(entry?.tenant) },
  { name: 'User', cell: (item) => userOf(item) },
  { name: 'Details', cell: ({ entry }) => details(entry) },
]

/** With a link to the revocation. */
function userOf({ entry, private: personal }: Item): Html {
  const name = personal?.user?.value ?? (entry?.revocation ? 'revocation' : '–')
  return entry?.revocation
    ? html`<a href="${PREFIX}/revocations/${entry.revocation}">${name}</a>`
    : text(name)
}

function details(entry: Entry | null): Html {
  if (!entry || Object.keys(entry.details).length === 0) return text(null)
  return html`<details id="${entry.writer}-${entry.sequence}"><summary>Show</summary><code class="json">${JSON.stringify(entry.details, null, 1)}</code></details>`
}
