import { html } from 'ghtml'
import { z } from 'zod'
import { count, hiddenFields } from './actions.ts'
import { type Api, ApiError } from './api.ts'
import { checked } from './checked.ts'
import { type Field, filterForm } from './filter-form.ts'
import { type Column, csrfField, type Html, older, PREFIX, table, text, time } from './layout.ts'
import { PAGE_SIZE, type Page, type PageRequest } from './page.ts'

/** An item of `GET /receivers`. */
interface Receiver {
  name: string
  origin: string | null
  events: string[]
  tenants: string[] | null
  onlyIfNamed: boolean
  state: keyof typeof STATES
  lastDeliveredAt: string | null
  lastFailure: { at: string; code: string; httpStatus: number | null } | null
  pending: number
  failed: number
  oldestPendingAt: string | null
}

/** An item of `GET /notifications`. */
interface Notification {
  id: string
  receiver: string
  type: string
  at: string
  revocation: string | null
  status: string
  attempts: number
  nextAttemptAt: string | null
  code: string | null
  httpStatus: number | null
}

const STATES = {
  ok: 'works',
  failing: 'fails: tried once a minute',
  paused: 'paused: it responded with 410',
  removed: 'no longer configured',
}

const FILTERS = ['receiver', 'status', 'type', 'revocation'] as const
const Search = z.object(
  Object.fromEntries([...FILTERS, 'cursor'].map((name) => [name, z.string().max(255).optional()])),
)

/** The receivers of notifications, and what was sent to them. */
export const receiversPage: Page = {
  method: 'GET',
  path: '/receivers',
  section: 'receivers',
  handle: async (request) => ({ title: 'Receivers', content: await receiversContent(request) }),
}

async function receiversContent({ api, query, mayOperate, csrf }: PageRequest): Promise<Html> {
  const filters = checked(Search, query)
  const [receivers, { items, nextCursor }] = await Promise.all([
    visibleReceivers(api),
    api.get<{ items: Notification[]; nextCursor: string | null }>('/notifications', {
      ...filters,
      limit: String(PAGE_SIZE),
    }),
  ])
  const names = receivers?.map(({ name }) => name)
  const list = receivers
    ? table('Receivers', receiverColumns(mayOperate, csrf), receivers, NONE)
    : '<p class="empty">Receivers are shown to API keys that are not restricted to tenants.</p>'
  return html`!${list}
!${filterForm('/receivers', fieldsOf(names), filters)}
!${table('Notifications, newest first', notificationColumns(mayOperate, csrf), items, 'No notification matches.')}!${older('/receivers', filters, nextCursor)}`
}

const NONE =
  'No receiver is configured. Add one to receivers in CONFIG_FILE to notify a service of revocations.'

/** Null if the key is restricted to tenants. */
async function visibleReceivers(api: Api): Promise<Receiver[] | null> {
  try {
    return (await api.get<{ items: Receiver[] }>('/receivers')).items
  } catch (error) {
    if (!(error instanceof ApiError) || error.problem.code !== 'CURFEW_FORBIDDEN') throw error
    return null
  }
}

function fieldsOf(receivers: readonly string[] | undefined): Field[] {
  return [
    { name: 'receiver', label: 'Receiver', suggestions: receivers },
    { name: 'status', label: 'Status', choices: ['pending', 'delivered', 'failed'] },
    { name: 'type', label: 'Event', hint: 'revocation.failed' },
    { name: 'revocation', label: 'Revocation', isRare: true },
  ]
}

function receiverColumns(mayOperate: boolean, csrf: string): Column<Receiver>[] {
  const actions: Column<Receiver> = {
    name: 'Actions',
    cell: ({ name, state, failed }) =>
      state === 'removed'
        ? text(null)
        : [
            button('/receivers/test', 'Send a test', { receiver: name }, csrf),
            failed > 0 ? button('/receivers/confirm', 'Send failed again…', { receiver: name }, csrf) : '',
          ].join(''),
  }
  return [
    { name: 'Receiver', cell: ({ name, origin }) => html`<b>${name}</b><br>${origin ?? ''}` },
    {
      name: 'State',
      cell: ({ state }) => html`<span class="!${state === 'ok' ? 'good' : 'bad'}">${STATES[state]}</span>`,
    },
    { name: 'Pending', isNumber: true, cell: ({ pending }) => text(pending) },
    {
      name: 'Failed',
      isNumber: true,
      cell: ({ failed }) => html`<span!${failed > 0 ? ' class="bad"' : ''}>${failed}</span>`,
    },
    { name: 'Oldest pending', cell: ({ oldestPendingAt }) => time(oldestPendingAt) },
    { name: 'Last delivered', cell: ({ lastDeliveredAt }) => time(lastDeliveredAt) },
    {
      name: 'Last failure',
      cell: ({ lastFailure }) =>
        lastFailure ? html`!${time(lastFailure.at)}<br>!${reasonOf(lastFailure)}` : text(null),
    },
    ...(mayOperate ? [actions] : []),
  ]
}

function notificationColumns(mayOperate: boolean, csrf: string): Column<Notification>[] {
  const again: Column<Notification> = {
    name: 'Actions',
    cell: ({ id, status }) =>
      status === 'pending' ? text(null) : button('/receivers/redeliver', 'Send again', { id }, csrf),
  }
  return [
    { name: 'Time', cell: ({ at }) => time(at) },
    { name: 'Receiver', cell: ({ receiver }) => text(receiver) },
    { name: 'Event', cell: ({ type }) => text(type) },
    {
      name: 'Revocation',
      cell: ({ revocation }) =>
        revocation ? html`<a href="${PREFIX}/revocations/${revocation}">Show</a>` : text(null),
    },
    {
      name: 'Status',
      cell: ({ status }) => html`<span!${status === 'failed' ? ' class="bad"' : ''}>${status}</span>`,
    },
    { name: 'Attempts', isNumber: true, cell: ({ attempts }) => text(attempts) },
    { name: 'Last failure', cell: (one) => (one.code ? reasonOf(one) : text(null)) },
    { name: 'Next attempt', cell: ({ nextAttemptAt }) => time(nextAttemptAt) },
    ...(mayOperate ? [again] : []),
  ]
}

function reasonOf({ code, httpStatus }: Pick<Notification, 'code' | 'httpStatus'>): Html {
  return html`<code>${code}</code>${httpStatus === null ? '' : ` (${httpStatus})`}`
}

function button(path: string, name: string, fields: Record<string, string>, csrf: string): Html {
  return html`<form class="inline" method="post" action="${PREFIX}${path}">!${csrfField(csrf)}!${hiddenFields(Object.entries(fields))}<button>${name}</button></form>`
}

const Named = z.object({ receiver: z.string().max(255) })
const One = z.object({ id: z.uuid('expected the id of a notification') })

/** Shows how many failed notifications of a receiver would be sent again, and asks. */
export const confirmRedeliveryPage: Page = {
  method: 'POST',
  path: '/receivers/confirm',
  section: 'receivers',
  handle: async ({ api, form, csrf }) => {
    const body = checked(Named, form)
    const { redelivered } = await redeliver(api, body, { dryRun: 'true' })
    const send = html`<p>They are retried for three days. A receiver that has got one already recognizes its id.</p>
<form class="actions" method="post" action="${PREFIX}/receivers/redeliver">!${csrfField(csrf)}!${hiddenFields(Object.entries(body))}<button class="primary">Send again</button>!${BACK}</form>`
    return {
      title: `Send ${count(redelivered, 'failed notification')} to ${body.receiver} again?`,
      content: redelivered > 0 ? send : html`<p>Nothing has failed.</p><p>!${BACK}</p>`,
    }
  },
}

/** Sends one notification again, or all failed ones of a receiver. */
export const redeliverPage: Page = {
  method: 'POST',
  path: '/receivers/redeliver',
  section: 'receivers',
  handle: async ({ api, form }) => {
    const one = One.safeParse(form).data
    if (one) {
      const { receiver } = await api.post<Notification>(`/notifications/${one.id}/redeliver`, {})
      return { redirect: `${PREFIX}/receivers?${new URLSearchParams({ receiver })}` }
    }
    const body = checked(Named, form)
    let redelivered = 0
    for (let more = true; more; ) {
      const answer = await redeliver(api, body)
      redelivered += answer.redelivered
      more = answer.more
    }
    return {
      title: `${count(redelivered, 'notification')} will be sent again`,
      content: html`<p>!${BACK}</p>`,
    }
  },
}

/** Sends a receiver a test message, and shows its response. */
export const testReceiverPage: Page = {
  method: 'POST',
  path: '/receivers/test',
  section: 'receivers',
  handle: async ({ api, form }) => {
    const { receiver } = checked(Named, form)
    const { delivered, ...response } = await api.post<
      { delivered: boolean } & Parameters<typeof reasonOf>[0]
    >(`/receivers/${encodeURIComponent(receiver)}/test`, {})
    const reason = html`<p class="bad">!${reasonOf(response)}</p>`
    return {
      title: delivered ? `${receiver} has accepted the test` : `${receiver} has not accepted the test`,
      content: html`!${delivered ? '' : reason}<p>!${BACK}</p>`,
    }
  },
}

const BACK = html`<a href="${PREFIX}/receivers">Back to the receivers</a>`

function redeliver(api: Api, body: object, query: Record<string, string> = {}) {
  return api.post<{ redelivered: number; more: boolean }>('/notifications/redeliver', { body, query })
}
