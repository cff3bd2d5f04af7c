import { html } from 'ghtml'
import { matchingForm } from './actions.ts'
import { toField } from './filters.ts'
import { type Column, type Html, PREFIX, table, text } from './layout.ts'
import { countText } from './numbers.ts'
import type { Page, PageRequest } from './page.ts'

/** An item of `GET /revocations/failures`. */
interface Failure {
  code: string
  title: string
  action: string
  count: { value: number; isExact: boolean }
  tenants: { tenant: string; count: number }[]
}

/** As many as fit in a cell. */
const MAX_TENANTS = 5

/** What failed, by the code of the error, with what to do. */
export const failedPage: Page = {
  method: 'GET',
  path: '/failed',
  section: 'failed',
  handle: async (request) => ({ title: 'Failed', content: await failedContent(request) }),
}

async function failedContent({ api, mayOperate, csrf }: PageRequest): Promise<Html> {
  const { items } = await api.get<{ items: Failure[] }>('/revocations/failures')
  const retry: Column<Failure> = {
    name: 'Actions',
    cell: ({ code }) => matchingForm({ status: 'failed', code }, ['retry'], csrf),
  }
  const columns = mayOperate ? [...COLUMNS, retry] : COLUMNS
  const all = html`<p>Retry everything that failed:</p>!${matchingForm({ status: 'failed' }, ['retry'], csrf)}`
  return html`!${table('Failed revocations by error', columns, items, 'Nothing has failed.')}
!${mayOperate && items.length > 1 ? all : ''}`
}

const COLUMNS: readonly Column<Failure>[] = [
  {
    name: 'Error',
    cell: ({ code, title }) =>
      html`<a href="${PREFIX}/revocations?${toField({ status: 'failed', code })}">${title}</a><br><code>${code}</code>`,
  },
  {
    name: 'Count',
    isNumber: true,
    cell: ({ count }) => text(countText(count)),
  },
  { name: 'Tenants', cell: ({ tenants }) => tenantsCell(tenants) },
  { name: 'What to do', cell: ({ action }) => text(action) },
]

function tenantsCell(tenants: Failure['tenants']): Html {
  const shown = tenants.slice(0, MAX_TENANTS).map(({ tenant, count }) => html`${tenant}: ${count}`)
  const more = tenants.length > shown.length ? ['…'] : []
  return [...shown, ...more].join('<br>')
}
