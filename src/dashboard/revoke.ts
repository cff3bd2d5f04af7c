import { randomUUID } from 'node:crypto'
import { html } from 'ghtml'
import { textOfUser } from '../base/user-name.ts'
import { count, hiddenFields } from './actions.ts'
import type { Api } from './api.ts'
import { csrfField, type Html, PREFIX, table, text } from './layout.ts'
import type { OperatorKey } from './operator.ts'
import type { Page } from './page.ts'
import { bodyFor, KINDS, type Naming, namingFields, namingIn, REASONS, USERS_LIMIT_BYTES } from './users.ts'

/** Each costs calls to Qlik Cloud while the operator waits. */
const PREVIEWED = 10

const KIND_NAMES: Readonly<Record<(typeof KINDS)[number], string>> = {
  '': 'automatic: with @ an e-mail address, otherwise a Qlik user id',
  email: 'e-mail addresses',
  subject: 'subjects of the identity provider',
  userId: 'Qlik user ids',
}

/** Asks for users. */
export const revokePage: Page = {
  method: 'GET',
  path: '/revoke',
  section: 'revoke',
  // It shows no state, and its fields must be kept.
  isLive: false,
  handle: async ({ csrf }) => ({ title: 'Revoke', content: userForm(csrf) }),
}

/** Shows what would be done, by a dry run, and asks. */
export const previewPage: Page = {
  method: 'POST',
  path: '/revoke/preview',
  section: 'revoke',
  bodyLimitBytes: USERS_LIMIT_BYTES,
  handle: async ({ api, key, form, csrf, clock }) => {
    const naming = await namingIn(form)
    const users = naming.named.users
    const title = `Revoke the tokens of ${count(users.length, 'user')}?`
    const previews = users.length > 0 ? await previewsOf(api, naming) : []
    const at = new Date(clock.now()).toISOString()
    const content = html`!${readingOf(naming)}!${previewTable(previews, users.length)}!${brakeNotice(users.length, key)}
!${users.length > 0 ? sendForm(naming, at, csrf) : ''}<p><a href="${PREFIX}/revoke">Start again</a></p>`
    return { title, content }
  },
}

function userForm(csrf: string): Html {
  const option = (value: string, name: string) => html`<option value="${value}">${name}</option>`
  const kinds = KINDS.map((kind) => option(kind, KIND_NAMES[kind]))
  const reasons = REASONS.map((reason) => option(reason, reason))
  return html`<p>All OAuth tokens of these users are revoked. Nothing is done before you have seen what would be revoked.</p>
<form method="post" action="${PREFIX}/revoke/preview">!${csrfField(csrf)}
<p><label for="users">Users: one per line, or CSV with a heading (userId, subject or email)</label>
<textarea id="users" name="users" rows="8" required></textarea></p>
<p class="needs-script"><label for="file">CSV file</label><input id="file" type="file" accept=".csv,.txt,text/csv,text/plain" data-fills="users"></p>
<div class="filters"><div><label for="kind">Names without a heading</label><select id="kind" name="kind">!${kinds.join('')}</select></div>
<div><label for="tenant">Tenant, if not the default one</label><input id="tenant" name="tenant" maxlength="512"></div>
<div><label for="reason">Reason</label><select id="reason" name="reason">!${reasons.join('')}</select></div>
<button class="primary">Dry run</button></div></form>`
}

/** An item of a dry run by `POST /revocations`. */
interface Preview {
  index: number
  dryRun?: { finding: string; tokens: object[]; kept: object[]; truncated: boolean }
  error?: { code: string; title: string; action: string }
}
type NamedPreview = Preview & { name: string }

async function previewsOf(api: Api, naming: Naming): Promise<NamedPreview[]> {
  const users = naming.named.users.slice(0, PREVIEWED)
  const { items } = await api.post<{ items: Preview[] }>('/revocations', {
    body: bodyFor(users, naming),
    query: { dryRun: 'true' },
  })
  return items.map((item) => ({ ...item, name: textOfUser(users[item.index] ?? {}) }))
}

function readingOf({
  named: { users, duplicates, broken, brokenCount },
  kind,
  tenant,
  reason,
}: Naming): Html {
  const more = brokenCount > broken.length ? html`<p>… and ${brokenCount - broken.length} more.</p>` : ''
  return html`<p role="status">${count(users.length, 'user')}, ${count(duplicates, 'duplicate')}, ${count(brokenCount, 'invalid line')}. Names without a heading: ${KIND_NAMES[kind]}. Tenant: ${tenant || 'the default one'}. Reason: ${reason}.</p>
!${table(
    'Invalid lines',
    [
      { name: 'Line', isNumber: true, cell: ({ line }) => text(line) },
      { name: 'Problem', cell: ({ problem }) => text(problem) },
    ],
    broken,
    '',
  )}!${more}`
}

function previewTable(previews: readonly NamedPreview[], total: number): Html {
  const caption = total > previews.length ? `Dry run of the first ${previews.length} users` : 'Dry run'
  return table<NamedPreview>(
    caption,
    [
      { name: 'User', cell: ({ name }) => text(name) },
      { name: 'Finding', cell: findingOf },
      { name: 'Tokens to revoke', isNumber: true, cell: ({ dryRun }) => text(tokensIn(dryRun)) },
      { name: 'Tokens to keep', isNumber: true, cell: ({ dryRun }) => text(dryRun?.kept.length) },
    ],
    previews,
    '',
  )
}

function findingOf({ dryRun, error }: NamedPreview): Html {
  if (error)
    return html`<span class="bad">${error.title}</span> <code>${error.code}</code><br>${error.action}`
  return text(dryRun?.finding)
}

function tokensIn(dryRun: Preview['dryRun']): string | undefined {
  return dryRun && `${dryRun.tokens.length}${dryRun.truncated ? ' or more' : ''}`
}

function brakeNotice(users: number, { brake }: OperatorKey): Html {
  if (brake === null) return ''
  const minutes = Math.ceil(brake.windowMs / 60_000)
  const rule = `The brake on mass revocation holds further signals of a key that names more than ${brake.users} users in ${minutes} minutes`
  return users > brake.users
    ? html`<p class="notice">${rule}. Of these users, at least ${users - brake.users} are held until an operator releases them.</p>`
    : html`<p>${rule}. If this key has just named others, some of these users can be held until an operator releases them.</p>`
}

/** The id of the batch makes a form that is sent twice take effect once. */
function sendForm(naming: Naming, at: string, csrf: string): Html {
  const { users, brokenCount } = naming.named
  const skip =
    brokenCount > 0
      ? html`<p><label><input type="checkbox" required> Skip ${count(brokenCount, 'invalid line')}</label></p>`
      : ''
  const fields = hiddenFields([
    ['batch', randomUUID()],
    ['at', at],
    ['shownAt', at],
  ])
  return html`<form method="post" action="${PREFIX}/revoke/send">!${csrfField(csrf)}!${namingFields(naming)}!${fields}
!${skip}<p><button class="primary">Revoke the tokens of ${count(users.length, 'user')}</button></p></form>`
}
