import { httpDateMs } from '../base/http-date.ts'

/** What a response's headers report about the end of an endpoint. Only the link is text from Qlik. */
export interface Deprecation {
  /** When it is or will be deprecated; null if unspecified. */
  since: number | null
  /** The earliest time of its removal; null if unspecified. */
  sunset: number | null
  /** A Qlik page with details, or null. */
  link: string | null
}

export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** Qlik documents no header of its own; any header with such a name counts. */
const OWN_HEADER = /^(x-)?qlik-.*(deprecat|sunset)/
/** The latest time that a `Date` can hold. */
const LAST_TIME_MS = 8.64e15

/**
 * Reads the headers that announce the removal of an endpoint: `Deprecation` (RFC 9745, and `true` as in its drafts
 * and in Qlik's own announcement), `Sunset` (RFC 8594), and any of Qlik's own. Null if there are none.
 * https://qlik.dev/apis/versioning and https://qlik.dev/changelog/209-data-qualities-deprecation
 * @param now ms since the epoch
 */
export function readDeprecation(headers: ResponseHeaders, now: number): Deprecation | null {
  const deprecation = textOf(headers.deprecation)
  const sunset = textOf(headers.sunset)
  const isDeprecated = !['', 'false', '?0'].includes(deprecation.toLowerCase())
  const hasOwn = () => Object.keys(headers).some((name) => OWN_HEADER.test(name))
  if (!isDeprecated && sunset === '' && !hasOwn()) return null
  return {
    since: dateOf(deprecation) ?? httpDateMs(deprecation, now),
    sunset: httpDateMs(sunset, now),
    link: qlikPage(textOf(headers.link)),
  }
}

function textOf(header: ResponseHeaders[string]): string {
  return (typeof header === 'string' ? header : header?.[0])?.trim() ?? ''
}

/** A date in a structured field: `@` and seconds (RFC 9651, section 3.3.7). */
function dateOf(text: string): number | null {
  const seconds = /^@(-?\d{1,15})$/.exec(text)?.[1]
  const at = Number(seconds ?? Number.NaN) * 1000
  return Math.abs(at) <= LAST_TIME_MS ? at : null
}

/** The first link to one of Qlik's own pages (RFC 8288). No other link may get into the logs. */
function qlikPage(header: string): string | null {
  for (const [, text = ''] of header.slice(0, 4_096).matchAll(/<(https:\/\/[^<>\s]{1,300})>/g)) {
    const url = URL.canParse(text) ? new URL(text) : null
    if (url && !url.username && !url.password && /^([a-z0-9-]+\.)*qlik\.(dev|com)$/.test(url.host))
      return url.href
  }
  return null
}
