import { hash } from 'node:crypto'
import { html } from 'ghtml'
import { z } from 'zod'
import type { Batch, RevokedUsers } from '../client/types.ts'
import {
  CountsField,
  count,
  hiddenFields,
  refusedTable,
  shownNumber,
  sumOf,
  toCountsField,
} from './actions.ts'
import { ApiError } from './api.ts'
import { checked } from './checked.ts'
import { type Html, PREFIX } from './layout.ts'
import type { Page, PageAnswer, PageRequest } from './page.ts'
import { progressPage } from './progress.ts'
import { bodyFor, type Naming, namingFields, namingIn, USERS_LIMIT_BYTES } from './users.ts'

const USERS_PER_REQUEST = 500
/** How long a page sends users before it reports its progress. */
const TURN_MS = 5_000
/** How long the API recognizes a request that is sent again, at least since the form was shown. */
const RECOGNIZED_MS = 10 * 60_000

/** What was sent before. Members of the batch can be sent again: each request has an idempotency key. */
const Sending = z.object({
  batch: z.uuid(),
  at: z.iso.datetime(),
  /** When the form was shown. */
  shownAt: z.iso.datetime(),
  from: shownNumber,
  refused: CountsField,
})
type Sending = z.output<typeof Sending>

/** Sends the users, in parts, as members of one batch. */
export const sendPage: Page = {
  method: 'POST',
  path: '/revoke/send',
  section: 'revoke',
  // The fields of a batch besides those of the form before.
  bodyLimitBytes: USERS_LIMIT_BYTES + 16_384,
  handle: async (request) => {
    const naming = await namingIn(request.form)
    const before = checked(Sending, request.form)
    const path = pathOf(before.batch, naming.tenant)
    if (await wasSent(request, naming, before)) return { redirect: path }
    const after = await sendSome(request, naming, before)
    const total = naming.named.users.length
    const refused = sumOf(after.refused)
    if (after.from < total) return continuation(request, naming, after)
    if (refused === 0) return { redirect: path }
    return {
      title: `${count(total - refused, 'user')} sent, ${refused} refused`,
      content: refusal(after, path),
    }
  },
}

/** Whether a form that is too old for its idempotency keys was sent before. */
async function wasSent({ api, clock }: PageRequest, { tenant }: Naming, before: Sending): Promise<boolean> {
  if (clock.now() - Date.parse(before.shownAt) < RECOGNIZED_MS) return false
  try {
    const { total } = await api.get<Batch>(`/batches/${before.batch}`, { tenant })
    return total + sumOf(before.refused) > before.from
  } catch (error) {
    if (error instanceof ApiError && error.problem.code === 'CURFEW_UNKNOWN_BATCH') return false
    throw error
  }
}

type Sent = Sending & { problem: ApiError | null }

/** @throws ApiError if nothing was sent, now or before */
async function sendSome({ api, clock }: PageRequest, naming: Naming, before: Sending): Promise<Sent> {
  const { users } = naming.named
  const { batch, at: occurredAt } = before
  const refused = { ...before.refused }
  let { from } = before
  const endAt = clock.monotonic() + TURN_MS
  try {
    do {
      const part = users.slice(from, from + USERS_PER_REQUEST)
      const { items } = await api.post<RevokedUsers>('/revocations', {
        body: { ...bodyFor(part, naming), batch, occurredAt },
        idempotencyKey: hash('sha256', `${batch} ${JSON.stringify(part)}`),
      })
      for (const { error } of items) if (error) refused[error.code] = (refused[error.code] ?? 0) + 1
      from += part.length
    } while (from < users.length && clock.monotonic() < endAt)
  } catch (error) {
    if (!(error instanceof ApiError) || from === 0) throw error
    return { ...before, from, refused, problem: error }
  }
  return { ...before, from, refused, problem: null }
}

function pathOf(batch: string, tenant: string): string {
  const query = tenant === '' ? '' : `?${new URLSearchParams({ tenant })}`
  return `${PREFIX}/batches/${batch}${query}`
}

function continuation({ csrf, clock }: PageRequest, naming: Naming, sent: Sent): PageAnswer {
  const { batch, at, from, refused, problem } = sent
  const total = naming.named.users.length
  const fields = hiddenFields([
    ['batch', batch],
    ['at', at],
    ['shownAt', new Date(clock.now()).toISOString()],
    ['from', String(from)],
    ['refused', toCountsField(refused)],
  ])
  return progressPage(
    {
      ...{ name: 'Revoke', done: from, total, problem },
      ...{ text: `${from} of ${count(total, 'user')} sent.`, path: '/revoke/send' },
      fields: html`!${namingFields(naming)}!${fields}`,
      rest: html`If you leave this page, the rest is not revoked. <a href="${pathOf(batch, naming.tenant)}">The batch so far</a>`,
    },
    csrf,
  )
}

function refusal({ refused }: Sending, path: string): Html {
  return html`!${refusedTable(refused, 'Not accepted')}<p><a href="${path}">The batch with all others</a></p>`
}
