import { UsageError } from '../base/errors.ts'
import type { NameKind } from '../base/user-name.ts'

/** How names are to be understood: `--email`, `--subject`, or by their form. */
export function kindOf({ email, subject }: { email?: boolean; subject?: boolean }): NameKind | null {
  if (email && subject) throw new UsageError('Choose --email or --subject, not both.')
  if (email) return 'email'
  return subject ? 'subject' : null
}
