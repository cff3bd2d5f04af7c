import { hash } from 'node:crypto'
import { html } from 'ghtml'
import { z } from 'zod'
import type { RevokedUsers } from '../client/types.ts'
import { CountsField, count, hiddenFields, refusedTable, shownNumber, toCountsField } from './actions.ts'
import { checked } from './checked.ts'
import { csrfField, type Html, PREFIX } from './layout.ts'
import type { Page, PageRequest } from './page.ts'
import { bodyFor, type Naming, namingFields, namingIn, USERS_LIMIT_BYTES } from './users.ts'

const USERS_PER_REQUEST = 500
/** How long a page sends users before it reports its progress. */
const TURN_MS = 5_000

/** What was sent before. Members of the batch can be sent again: each request has an idempotency key. */
const Sending = z.object({
  batch: z.uuid(),
  at: z.iso.datetime(),
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
    const after = await sendSome(request, naming, before)
    const total = naming.named.users.length
    const path = pathOf(before.batch, naming.tenant)
    if (after.from < total)
      return { title: 'Revoke: in progress', content: continuation(naming, after, request.csrf) }
    if (Object.keys(after.refused).length === 0) return { redirect: path }
    return { title: `${count(total, 'user')} sent`, content: refusal(after, path) }
  },
}

async function sendSome({ api, clock }: PageRequest, naming: Naming, before: Sending): Promise<Sending> {
  const { users } = naming.named
  const { batch, at: occurredAt } = before
  const refused = { ...before.refused }
  let { from } = before
  const endAt = clock.monotonic() + TURN_MS
  do {
    const part = users.slice(from, from + USERS_PER_REQUEST)
    const { items } = await api.post<RevokedUsers>('/revocations', {
      body: { ...bodyFor(part, naming), batch, occurredAt },
      idempotencyKey: hash('sha256', `${batch} ${JSON.stringify(part)}`),
    })
    for (const { error } of items) if (error) refused[error.code] = (refused[error.code] ?? 0) + 1
    from += part.length
  } while (from < users.length && clock.monotonic() < endAt)
  return { ...before, from, refused }
}

function pathOf(batch: string, tenant: string): string {
  const query = tenant === '' ? '' : `?${new URLSearchParams({ tenant })}`
  return `${PREFIX}/batches/${batch}${query}`
}

function continuation(naming: Naming, { batch, at, from, refused }: Sending, csrf: string): Html {
  const total = naming.named.users.length
  const fields = hiddenFields([
    ['batch', batch],
    ['at', at],
    ['from', String(from)],
    ['refused', toCountsField(refused)],
  ])
  return html`<p role="status">${from} of ${count(total, 'user')} sent.</p>
<p><progress aria-label="Progress" max="${total}" value="${from}"></progress></p>
<form method="post" action="${PREFIX}/revoke/send" data-continues>!${csrfField(csrf)}!${namingFields(naming)}!${fields}<button>Continue</button></form>
<p>If you leave this page, the rest is not revoked.</p>`
}

function refusal({ refused }: Sending, path: string): Html {
  return html`!${refusedTable(refused, 'Not accepted')}<p><a href="${path}">The batch with all others</a></p>`
}
