import { html } from 'ghtml'
import { z } from 'zod'
import type { NamedUser } from '../base/user-name.ts'
import { type CsvUsers, MAX_USERS, readUsersCsv } from '../base/users-csv.ts'
import { hiddenFields } from './actions.ts'
import { ApiError } from './api.ts'
import { checked } from './checked.ts'
import type { Html } from './layout.ts'

/** How names without a heading are understood; empty for their form. */
export const KINDS = ['', 'email', 'subject', 'userId'] as const
export const REASONS = ['security', 'logout', 'session-expired'] as const

/** Room for the users of a batch, if their names are not long. */
export const USERS_LIMIT_BYTES = 5 * 1024 * 1024

/** The fields of a form that names users. */
const Naming = z.object({
  users: z.string(),
  kind: z.enum(KINDS).default(''),
  tenant: z.string().max(512).default(''),
  reason: z.enum(REASONS),
})

/** Users that an operator has entered, and how they are to be revoked. */
export type Naming = z.output<typeof Naming> & { named: CsvUsers }

/** @throws ApiError if the form is not valid, or names no users or too many */
export async function namingIn(form: unknown): Promise<Naming> {
  const naming = checked(Naming, form)
  const named = await readUsersCsv(Buffer.from(naming.users), naming.kind === '' ? null : naming.kind)
  const { users, broken } = named
  if (users.length === 0 && broken.length === 0)
    throw refused('No user is named', 'Go back, and enter a user, or a CSV file.')
  if (users.length > MAX_USERS)
    throw refused(`More than ${MAX_USERS} users are named`, `Send up to ${MAX_USERS} users at a time.`)
  return { ...naming, named }
}

function refused(title: string, action: string): ApiError {
  return new ApiError(400, { code: 'CURFEW_REQUEST_INVALID', title, action })
}

/**
 * The same as hidden fields of the next form. The text is sent back and forth, so that the service keeps no copy of it. A
 * text field, because the value of others has no line breaks.
 */
export function namingFields({ users, kind, tenant, reason }: Naming): Html {
  const others = hiddenFields([
    ['kind', kind],
    ['tenant', tenant],
    ['reason', reason],
  ])
  // HTML ignores the first line break.
  return html`<textarea name="users" hidden>
${users}</textarea>!${others}`
}

/** The body of `POST /revocations` for some of the users. */
export function bodyFor(users: readonly NamedUser[], { tenant, reason }: Naming) {
  return { users, reason, ...(tenant === '' ? {} : { tenant }) }
}
