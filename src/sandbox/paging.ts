import { z } from 'zod'
import type { SandboxToken } from './token-shelf.ts'

/** A place between two rows of a listing. It stays valid when the row it was taken from is gone. */
const cursorSchema = z.tuple([z.enum(['after', 'before']), z.string(), z.number().int()])
type Cursor = z.infer<typeof cursorSchema>

/** The cursor of the first page, for a link that leads back to it. */
export const FIRST_PAGE = encode(['after', '', 0])

export interface Page {
  rows: readonly SandboxToken[]
  next?: string
  prev?: string
}

/**
 * Cuts a page out of `tokens`, which are ordered by user id and serial.
 *
 * @param page an opaque cursor from an earlier page's `next` or `prev`
 * @returns null when the cursor is not one of ours
 */
export function pageOf(tokens: readonly SandboxToken[], limit: number, page?: string): Page | null {
  const cursor = page === undefined ? (['after', '', 0] satisfies Cursor) : decode(page)
  if (cursor === null) return null
  const place = placeOf(tokens, cursor)
  const start = cursor[0] === 'after' ? place : Math.max(0, place - limit)
  const end = cursor[0] === 'after' ? place + limit : place
  const rows = tokens.slice(start, end)
  const first = rows[0]
  const last = rows.at(-1)
  return {
    rows,
    ...(last && end < tokens.length && { next: encode(['after', last.userId, last.serial]) }),
    ...(first && start > 0 && { prev: encode(['before', first.userId, first.serial]) }),
  }
}

/** The address of another page of a listing: the same query, with this cursor. */
export function withPage(url: string, page: string): string {
  const [path, query] = url.split('?')
  const search = new URLSearchParams(query)
  search.set('page', page)
  return `${path}?${search}`
}

/** Index of the first token after the cursor (or at it, for `before`), by binary search. */
function placeOf(tokens: readonly SandboxToken[], [direction, userId, serial]: Cursor): number {
  const key = direction === 'after' ? serial : serial - 1
  let low = 0
  let high = tokens.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const token = tokens[middle]
    const passed = token && (token.userId < userId || (token.userId === userId && token.serial <= key))
    if (passed) low = middle + 1
    else high = middle
  }
  return low
}

function encode(cursor: Cursor): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url')
}

function decode(page: string): Cursor | null {
  try {
    return cursorSchema.parse(JSON.parse(Buffer.from(page, 'base64url').toString()))
  } catch {
    return null
  }
}
