import { html } from 'ghtml'
import { z } from 'zod'
import type { Revocation, TimelineItem } from '../client/types.ts'
import type { Api } from './api.ts'
import { checked } from './checked.ts'
import { type Html, problemBox, table, text, time } from './layout.ts'
import type { Page } from './page.ts'
import { nameOf, stateOf } from './revocations.ts'

const Params = z.object({ id: z.string() })

/** One revocation: its state, why, and what happened to it. */
export const revocationPage: Page = {
  method: 'GET',
  path: '/revocations/:id',
  section: 'revocations',
  handle: ({ api, params }) => revocationContent(api, checked(Params, params).id),
}

async function revocationContent(api: Api, id: string): Promise<{ title: string; content: Html }> {
  const path = `/revocations/${encodeURIComponent(id)}`
  const [revocation, { items }] = await Promise.all([
    api.get<Revocation>(path),
    api.get<{ items: TimelineItem[] }>(`${path}/timeline`),
  ])
  return {
    title: nameOf(revocation),
    content: html`!${facts(revocation)}!${failure(revocation)}!${timeline(items)}`,
  }
}

function facts(one: Revocation): Html {
  const { tokens } = one
  const rows: [string, Html][] = [
    ['State', stateOf(one)],
    ['Tenant', text(one.tenant)],
    ['Reason', text(one.reason)],
    ['Source', text(one.source)],
    ['Session ended', time(one.occurredAt)],
    ['Accepted', time(one.acceptedAt)],
    ['Completed', time(one.completedAt)],
    ['Expected', time(one.estimatedCompletionAt)],
    ['Confirming listing', time(one.verificationDueAt)],
    [
      'Tokens',
      text(
        `${tokens.found} found, ${tokens.revoked} revoked, ${tokens.alreadyGone} already gone, ${tokens.kept} kept, ${tokens.remaining} remaining`,
      ),
    ],
    ['Id', html`<code>${one.id}</code>`],
  ]
  return html`<dl>!${rows.map(([name, value]) => html`<dt>${name}</dt><dd>!${value}</dd>`).join('')}</dl>`
}

function failure({ error }: Revocation): Html {
  return error
    ? problemBox({ title: `${error.code}: ${error.title}`, detail: error.detail, action: error.action })
    : ''
}

function timeline(items: readonly TimelineItem[]): Html {
  return table(
    'What happened',
    [
      { name: 'Time', cell: ({ at }) => time(at) },
      { name: 'Event', cell: ({ event }) => text(event) },
      {
        name: 'By',
        cell: ({ by, address }) =>
          text(by ? `${by.kind} ${by.name}${address ? ` at ${address}` : ''}` : 'Curfew'),
      },
      {
        name: 'Details',
        cell: ({ details }) =>
          Object.keys(details).length > 0 ? html`<code>${JSON.stringify(details)}</code>` : text(null),
      },
    ],
    items,
    'The audit trail has no entry about it: it was turned off, or the entries have expired.',
  )
}
