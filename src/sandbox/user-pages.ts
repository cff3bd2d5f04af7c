import type { SandboxUser } from './tenant.ts'

/** Members that `sort` can name, with an optional sign. Source: https://qlik.dev/apis/rest/users (`sort`) */
const SORTABLE = ['name', 'id', 'clientId', 'status', 'subject', 'email', 'createdAt'] as const
export const SORTS = SORTABLE.flatMap((name) => [name, `+${name}`, `-${name}`])

export interface UserPage {
  users: readonly SandboxUser[]
  /** Cursors of the pages after and before; undefined if there is none. */
  next: string | undefined
  prev: string | undefined
}

/**
 * Returns a page of users. A cursor is a position between two users, so users can be added between two calls.
 *
 * @param asked.next cursor of an earlier page: the users after it
 * @param asked.prev cursor of an earlier page: the users before it
 * @returns null if the cursor is invalid
 */
export function userPageOf(
  users: readonly SandboxUser[],
  { limit, sort, next, prev }: { limit: number; sort?: string; next?: string; prev?: string },
): UserPage | null {
  const sorted = inOrder(users, sort)
  const place = indexOf(sorted, next ?? prev)
  if (place === null) return null
  const start = prev === undefined ? place + 1 : Math.max(0, place - limit)
  const end = prev === undefined ? start + limit : place
  const page = sorted.slice(start, end)
  return {
    users: page,
    next: end < sorted.length ? cursorOf(page.at(-1)) : undefined,
    prev: start > 0 ? cursorOf(page[0]) : undefined,
  }
}

function inOrder(users: readonly SandboxUser[], sort: string | undefined): readonly SandboxUser[] {
  const name = SORTABLE.find((known) => known === sort?.replace(/^[+-]/, ''))
  if (name === undefined) return users
  const sign = sort?.startsWith('-') ? -1 : 1
  return users.toSorted((a, b) => sign * compare(a[name] ?? '', b[name] ?? ''))
}

function compare<Value extends string | number>(a: Value, b: Value): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** The index of the user in the cursor, -1 without a cursor, null if no user has it. */
function indexOf(users: readonly SandboxUser[], cursor: string | undefined): number | null {
  if (cursor === undefined) return -1
  const id = Buffer.from(cursor, 'base64url').toString()
  const index = users.findIndex((user) => user.id === id)
  return index === -1 ? null : index
}

/** Qlik's cursors are opaque: tests must not mistake them for ids. */
function cursorOf(user: SandboxUser | undefined): string | undefined {
  return user && Buffer.from(user.id).toString('base64url')
}
