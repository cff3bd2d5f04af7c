import { textOfUser } from '../../base/user-name.ts'
import { EXIT } from '../../cli/exit-codes.ts'
import { count, print, printable, printJson } from '../../cli/terminal.ts'
import type { CurfewClient, User } from '../../client/client.ts'

/** Limit of the service for one dry run. */
const USERS_PER_REQUEST = 100

/** What `revoke` would do for one user. */
export interface Item {
  dryRun?: { finding: string; tokens: object[]; kept: object[]; truncated: boolean }
  error?: { code: string; title: string; detail?: string }
}

/** Examines up to `USERS_PER_REQUEST` users, in order. */
export type Preview = (users: readonly User[]) => Promise<Item[]>

/** The dry run of a running service. */
export function serviceDryRun(
  client: CurfewClient,
  { reason, scope, tenant }: { reason: string; scope?: string; tenant?: string },
): Preview {
  return async (users) => {
    const { items } = await client.call<{ items: (Item & { index: number })[] }>('POST', '/revocations', {
      query: { dryRun: true },
      body: { users, reason, scope, tenant },
      // It stores nothing, so it can be repeated.
      idempotencyKey: 'dry-run',
    })
    return users.map((_, index) => items.find((item) => item.index === index) ?? {})
  }
}

/** Prints what `revoke` would do. Sets the exit code 1 if a user could not be examined, or is ambiguous. */
export async function dryRun(
  users: readonly User[],
  preview: Preview,
  { json }: { json?: boolean },
): Promise<void> {
  const items: { user: User; item: Item }[] = []
  for (let start = 0; start < users.length; start += USERS_PER_REQUEST) {
    const part = users.slice(start, start + USERS_PER_REQUEST)
    const found = await preview(part)
    items.push(...part.map((user, index) => ({ user, item: found[index] ?? {} })))
  }
  const hasProblem = ({ error, dryRun }: Item) =>
    error !== undefined || ['ambiguous', 'own-user'].includes(dryRun?.finding ?? '')
  if (items.some(({ item }) => hasProblem(item))) process.exitCode = EXIT.no
  if (json) return printJson(items.map(({ user, item: { dryRun, error } }) => ({ user, dryRun, error })))
  for (const { user, item } of items) print(`${printable(textOfUser(user))}  ${describe(item)}`)
  const tokens = items.reduce((sum, { item }) => sum + (item.dryRun?.tokens.length ?? 0), 0)
  print(
    `Dry run: ${count(tokens, 'token')} of ${count(items.length, 'user')} would be revoked. Nothing was done.`,
  )
}

function describe({ dryRun, error }: Item): string {
  if (error) return `${printable(error.code)}: ${printable(error.detail ?? error.title)}`
  if (!dryRun) return 'no answer'
  const { finding, tokens, kept, truncated } = dryRun
  const more = truncated ? ' or more' : ''
  return `${printable(finding)}: ${tokens.length}${more} to revoke, ${kept.length} to keep`
}
