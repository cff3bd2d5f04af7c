import type { Clock } from '../base/clock.ts'
import type { Html, Section } from './layout.ts'
import type { Operator } from './operator.ts'

/** Rows of a list on one page. */
export const PAGE_SIZE = 50

/** A request for a page by a signed-in operator. Nothing of it is checked yet. */
export interface PageRequest extends Operator {
  params: unknown
  query: unknown
  /** The fields of a form that was sent. Its CSRF token is checked. */
  form: unknown
  /** For the forms of the page: see `csrfField`. */
  csrf: string
  clock: Clock
}

/** What a page shows, with status 200 by default, or where the browser goes instead (303). */
export type PageAnswer = { title: string; content: Html; status?: number } | { redirect: string }

/** A page for signed-in operators, or a form that they send to change something. */
export interface Page {
  method: 'GET' | 'POST'
  /** Below `/dashboard`, as Fastify writes it. */
  path: string
  section: Section
  /** The largest form. Default: 32 KiB, which has room for every filter and the ids of one page. */
  bodyLimitBytes?: number
  /** Whether the page may be loaded again to show the current state. Default: if its method is GET */
  isLive?: boolean
  /** @throws ApiError what the API refused, which is shown with what to do */
  handle: (request: PageRequest) => Promise<PageAnswer>
}
