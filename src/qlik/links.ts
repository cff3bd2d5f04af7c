import { QlikFailure } from '../revocation/qlik-tenant.ts'

// The access token is sent to the configured origin only, so links of a response are never followed as they are.

/** The `page` parameter of a link, or null if there is no link. Nothing else of it is used: it may point elsewhere. */
export function pageIn(href: string | null): string | null {
  if (href === null || href === '') return null
  const page = URL.canParse(href, 'https://tenant')
    ? new URL(href, 'https://tenant').searchParams.get('page')
    : null
  if (page) return page
  throw new QlikFailure('unreadable', 'Qlik Cloud links to the next page of tokens without a page parameter.')
}

/** The path that `/users/me` redirects to. Only the path of a user at `origin` is accepted. */
export function userPathIn(location: string | null, origin: string): string {
  const target = location !== null && URL.canParse(location, origin) ? new URL(location, origin) : null
  if (target?.origin !== origin || !/^\/api\/v1\/users\/[^/]+$/.test(target.pathname)) {
    throw new QlikFailure('unreadable', 'Qlik Cloud redirects /users/me to an address that is not a user.')
  }
  return target.pathname
}
