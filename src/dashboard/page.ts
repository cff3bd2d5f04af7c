import type { Api } from './api.ts'
import type { Html, Section } from './layout.ts'

/** A request for a page by a signed-in operator. Nothing of it is checked yet. */
export interface PageRequest {
  api: Api
  params: unknown
  query: unknown
  /** The fields of a form that was sent. Its CSRF token is checked. */
  form: unknown
  /** For the forms of the page: see `csrfField`. */
  csrf: string
}

/** What a page shows, or where the browser goes instead (303). */
export type PageAnswer = { title: string; content: Html } | { redirect: string }

/** A page for signed-in operators, or a form that they send. */
export interface Page {
  method: 'GET' | 'POST'
  /** Below `/dashboard`, as Fastify writes it. */
  path: string
  section: Section
  /** @throws ApiError what the API refused, which is shown with what to do */
  handle: (request: PageRequest) => Promise<PageAnswer>
}
