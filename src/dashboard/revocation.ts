import { html } from 'ghtml'
import { z } from 'zod'
import type { Revocation, TimelineItem } from '../client/types.ts'
import { formOf } from './actions.ts'
import { checked } from './checked.ts'
import { definitions, type Html, PREFIX, problemBox, table, text, time } from './layout.ts'
import type { Page, PageRequest } from './page.ts'
import { proofInWords } from './proof.ts'
import { nameOf, stateOf } from './revocations.ts'
import { waitOf } from './wait.ts'

/** Events of the timeline that name a sender of a signal. */
const REQUESTS = ['signal-accepted', 'signal-joined', 'held']
const MAX_SENDERS = 5

const Params = z.object({ id: z.string() })

/** One revocation: its state, what is proven, who requested it, and what happened to it. */
export const revocationPage: Page = {
  method: 'GET',
  path: '/revocations/:id',
  section: 'revocations',
  handle: revocationContent,
}

async function revocationContent({
  api,
  params,
  mayOperate,
  csrf,
}: PageRequest): Promise<{ title: string; content: Html }> {
  const { id } = checked(Params, params)
  const path = `/revocations/${encodeURIComponent(id)}`
  const [revocation, { items }] = await Promise.all([
    api.get<Revocation>(path),
    api.get<{ items: TimelineItem[] }>(`${path}/timeline`),
  ])
  return {
    title: nameOf(revocation),
    content: html`!${facts(revocation, items)}!${failure(revocation)}!${mayOperate ? formOf(revocation, csrf) : ''}
<h2>Proof</h2>!${proofInWords(revocation)}!${timeline(items)}
<p><a href="${PREFIX}/receivers?revocation=${revocation.id}">Its notifications</a></p>`,
  }
}

function facts(one: Revocation, items: readonly TimelineItem[]): Html {
  const { tokens } = one
  const rows: [string, Html][] = [
    ['State', stateOf(one)],
    ['Tenant', text(one.tenant)],
    ['Reason', text(one.reason)],
    ['Source', text(one.source)],
    ['Requested by', requestedBy(one, items)],
    ['Session ended', time(one.occurredAt)],
    ['Accepted', time(one.acceptedAt)],
    ['Completed', time(one.completedAt)],
    ['Expected completion', time(one.estimatedCompletionAt)],
    ['Waits for', one.waitingFor ? waitOf(one.waitingFor) : text(null)],
    ['Next attempt', time(one.nextAttemptAt)],
    ['Confirming listing', time(one.verificationDueAt)],
    [
      'Tokens',
      text(
        `${tokens.found} found, ${tokens.revoked} revoked, ${tokens.alreadyGone} already gone, ${tokens.kept} kept, ${tokens.remaining} remaining`,
      ),
    ],
    ['Id', html`<code>${one.id}</code>`],
    ...(one.supersededBy === null ? [] : [superseded(one.supersededBy)]),
  ]
  return definitions(rows)
}

function superseded(id: string): [string, Html] {
  return ['Replaced by', html`<a href="${PREFIX}/revocations/${id}">${id}</a>`]
}

/** With the addresses, if the audit trail has them. */
function requestedBy({ senders }: Revocation, items: readonly TimelineItem[]): Html {
  const requests = items.filter(({ by, event }) => by !== null && REQUESTS.includes(event))
  const unlisted = senders.filter(
    ({ kind, name }) => !requests.some(({ by }) => by?.kind === kind && by.name === name),
  )
  const texts = [...requests.map(senderOf), ...unlisted.map(({ kind, name }) => `${kind} ${name}`)]
  const all = [...new Set(texts)]
  const shown = all.slice(0, MAX_SENDERS)
  const more = all.length > shown.length ? ` and ${all.length - shown.length} others` : ''
  return text(shown.length > 0 ? `${shown.join(', ')}${more}` : 'not recorded')
}

function senderOf({ by, address }: TimelineItem): string {
  return by ? `${by.kind} ${by.name}${address ? ` at ${address}` : ''}` : 'Curfew'
}

function failure({ error }: Revocation): Html {
  return error
    ? problemBox({ title: `${error.code}: ${error.title}`, detail: error.detail, action: error.action }, '')
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
        cell: (item) => text(senderOf(item)),
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
