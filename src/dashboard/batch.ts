import { html } from 'ghtml'
import { z } from 'zod'
import type { Batch } from '../client/types.ts'
import { type Action, matchingForm } from './actions.ts'
import { checked } from './checked.ts'
import { toField } from './filters.ts'
import { definitions, type Html, PREFIX, table, text, time } from './layout.ts'
import type { Page, PageRequest } from './page.ts'

const Params = z.object({ id: z.string() })
const Query = z.object({ tenant: z.string().max(512).optional() })

/** A batch: what has become of the users of one request. */
export const batchPage: Page = {
  method: 'GET',
  path: '/batches/:id',
  section: 'revocations',
  handle: async (request) => ({ title: 'Batch', content: await batchContent(request) }),
}

async function batchContent({ api, params, query, mayOperate, csrf }: PageRequest): Promise<Html> {
  const { id } = checked(Params, params)
  const batch = await api.get<Batch>(`/batches/${encodeURIComponent(id)}`, checked(Query, query))
  const filters = { batch: batch.id, tenant: batch.tenant }
  return html`!${facts(batch)}
<p><a href="${PREFIX}/revocations?${toField(filters)}">Its revocations</a></p>
!${mayOperate ? matchingForm(filters, actionsFor(batch), csrf) : ''}
!${table(
    'Failed, by error',
    [
      {
        name: 'Error',
        cell: ({ code, title }) =>
          html`<a href="${PREFIX}/revocations?${toField({ ...filters, status: 'failed', code })}">${title}</a><br><code>${code}</code>`,
      },
      { name: 'Count', isNumber: true, cell: ({ count }) => text(count) },
      { name: 'What to do', cell: ({ action }) => text(action) },
    ],
    batch.failures,
    'Nothing has failed.',
  )}`
}

function facts(batch: Batch): Html {
  const { total, status, verified, confirming, tokens, estimatedCompletionAt } = batch
  const ended = status.completed + status.failed + status.cancelled
  const states = Object.entries(status).filter(([, number]) => number > 0)
  const rows: [string, Html][] = [
    [
      'Ended',
      html`<progress aria-label="Ended" max="${Math.max(total, 1)}" value="${ended}"></progress> ${ended} of ${total}`,
    ],
    ['States', text(states.map(([state, number]) => `${number} ${state}`).join(', '))],
    ['Verified', text(verified)],
    ['To be confirmed', text(confirming)],
    [
      'Tokens',
      text(`${tokens.revoked} revoked, ${tokens.kept} kept, ${tokens.remaining} remaining, as far as known`),
    ],
    ['Tenant', text(batch.tenant)],
    ['Created', time(batch.createdAt)],
    ['Expected completion', time(estimatedCompletionAt)],
    ['Id', html`<code>${batch.id}</code>`],
  ]
  return definitions(rows)
}

function actionsFor({ status, total, verified, confirming }: Batch): Action[] {
  const { queued, running, held, cancelled } = status
  return [
    ...(verified + confirming + cancelled < total ? (['retry'] as const) : []),
    ...(queued + running + held > 0 ? (['cancel'] as const) : []),
    ...(held > 0 ? (['release'] as const) : []),
  ]
}
