import { UsageError } from '../base/errors.ts'
import type { User } from '../client/client.ts'

export type NameKind = keyof User

const MAX_LENGTH = 512

/** How names are to be understood: `--email`, `--subject`, or by their form. */
export function kindOf({ email, subject }: { email?: boolean; subject?: boolean }): NameKind | null {
  if (email && subject) throw new UsageError('Choose --email or --subject, not both.')
  if (email) return 'email'
  return subject ? 'subject' : null
}

/** A user by name: without a kind, a name with @ is an e-mail address, and any other the Qlik user id. */
export function userNamed(name: string, kind: NameKind | null): User {
  return { [kind ?? (name.includes('@') ? 'email' : 'userId')]: name }
}

/** What is wrong with a name, or null. The service applies the same limits. */
export function problemWith(name: string): string | null {
  if (name === '') return 'the name is empty'
  if (name.length > MAX_LENGTH) return `the name is longer than ${MAX_LENGTH} characters`
  return /\p{Cc}/u.test(name) ? 'the name contains control characters' : null
}

export function textOfUser({ userId, subject, email }: User): string {
  return userId ?? subject ?? email ?? ''
}
