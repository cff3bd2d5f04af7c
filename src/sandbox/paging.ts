import { z } from 'zod'
import type { Behaviour } from './behaviour.ts'
import type { SandboxToken } from './token-shelf.ts'

/** A position between two rows of a listing. Stays valid if the row is removed. */
const keySchema = z.tuple([z.enum(['after', 'before']), z.string(), z.number().int()])
/** How many rows to skip. The page shifts when earlier rows are added or removed. */
const offsetSchema = z.tuple([z.literal('offset'), z.number().int().min(0)])
type Key = z.infer<typeof keySchema>
type Place = Key | z.infer<typeof offsetSchema>

const cursorSchema = z.strictObject({
  place: z.union([keySchema, offsetSchema]),
  /** In ms since the epoch; null if it does not expire. */
  expiresAt: z.number().nullable(),
})

const START: Place = ['offset', 0]

/** The cursor of the first page, for a link back to it. Does not expire. */
export const FIRST_PAGE = encode({ place: START, expiresAt: null })

/** How a listing is split into pages. */
export type Paging = Pick<Behaviour, 'paging' | 'listingOrder' | 'cursorLifetimeMs'> & { now: () => number }

export interface Page {
  rows: readonly SandboxToken[]
  next?: string
  prev?: string
}

/**
 * Returns a page of `tokens`, which must be sorted by user id and serial.
 *
 * @param asked.page opaque cursor from the `next` or `prev` of an earlier page, of either kind of paging
 * @returns null if the cursor is invalid or has expired
 */
export function pageOf(
  tokens: readonly SandboxToken[],
  { limit, page }: { limit: number; page?: string },
  { paging, listingOrder, cursorLifetimeMs, now }: Paging,
): Page | null {
  const place = page === undefined ? START : placeIn(page, now())
  if (place === null) return null
  const step = listingOrder === 'oldest-first' ? 1 : -1
  const index = place[0] === 'offset' ? place[1] : indexOf(tokens, place, step)
  const start = place[0] === 'before' ? Math.max(0, index - limit) : index
  const end = place[0] === 'before' ? index : index + limit
  const rows = tokens.slice(start, end)
  const expiresAt = cursorLifetimeMs === null ? null : now() + cursorLifetimeMs
  const link = (offset: number, key: Place | undefined) =>
    encode({ place: paging === 'keyset' && key ? key : ['offset', offset], expiresAt })
  const first = rows[0]
  const last = rows.at(-1)
  return {
    rows,
    ...(end < tokens.length && { next: link(end, last && ['after', last.userId, last.serial]) }),
    ...(start > 0 && {
      prev: link(Math.max(0, start - limit), first && ['before', first.userId, first.serial]),
    }),
  }
}

/**
 * Index of the first token after the key (for `before`: at the key), by binary search.
 *
 * @param step 1 if serials ascend within a user, -1 if they descend
 */
function indexOf(tokens: readonly SandboxToken[], [direction, userId, serial]: Key, step: 1 | -1): number {
  let low = 0
  let high = tokens.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const token = tokens[middle]
    const distance = token?.userId === userId ? (token.serial - serial) * step : 1
    const passed =
      token && (token.userId < userId || distance < 0 || (distance === 0 && direction === 'after'))
    if (passed) low = middle + 1
    else high = middle
  }
  return low
}

function encode(cursor: z.infer<typeof cursorSchema>): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url')
}

function placeIn(page: string, now: number): Place | null {
  const { data } = cursorSchema.safeParse(jsonIn(page))
  return data && (data.expiresAt === null || data.expiresAt > now) ? data.place : null
}

function jsonIn(page: string): unknown {
  try {
    return JSON.parse(Buffer.from(page, 'base64url').toString())
  } catch {
    return null
  }
}
