import type { FastifyRequest } from 'fastify'
import type { Tenant } from './tenant.ts'

type Changes = Readonly<Record<string, string | undefined>>

/** A link to the requested URL, with changes to its query, on the origin in the settings or of the request. */
export function linkTo(
  { settings }: Pick<Tenant, 'settings'>,
  { protocol, host, url }: FastifyRequest,
  changes: Changes = {},
): { href: string } {
  return { href: (settings.linkOrigin ?? `${protocol}://${host}`) + withQuery(url, changes) }
}

/** The URL with other query parameters: a string replaces a parameter, undefined removes it. */
export function withQuery(url: string, changes: Changes): string {
  if (Object.keys(changes).length === 0) return url
  const [path, query] = url.split('?')
  const search = new URLSearchParams(query)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) search.delete(name)
    else search.set(name, value)
  }
  return `${path}?${search}`
}
