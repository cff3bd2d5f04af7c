/** A user, named in exactly one way. */
export interface NamedUser {
  userId?: string | undefined
  subject?: string | undefined
  email?: string | undefined
}

export type NameKind = keyof NamedUser

const MAX_LENGTH = 512

/** A user by name: without a kind, a name with @ is an e-mail address, and any other the Qlik user id. */
export function userNamed(name: string, kind: NameKind | null): NamedUser {
  return { [kind ?? (name.includes('@') ? 'email' : 'userId')]: name }
}

/** What is wrong with a name, or null. The service applies the same limits. */
export function problemWith(name: string): string | null {
  if (name === '') return 'the name is empty'
  if (name.length > MAX_LENGTH) return `the name is longer than ${MAX_LENGTH} characters`
  return /\p{Cc}/u.test(name) ? 'the name contains control characters' : null
}

export function textOfUser({ userId, subject, email }: NamedUser): string {
  return userId ?? subject ?? email ?? ''
}
