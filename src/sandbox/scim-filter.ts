/** Members of a user that a filter can ask for. */
const FILTERABLE = ['id', 'subject', 'email', 'status'] as const
type Filterable = Record<(typeof FILTERABLE)[number], string | null>

const TERM = String.raw`([a-z]+)\s+eq\s+("(?:[^"\\]|\\.)*")`
const TERMS = new RegExp(TERM, 'gi')
const FILTER = new RegExp(String.raw`^\s*${TERM}(?:\s+or\s+${TERM})*\s*$`, 'i')

/**
 * Reads a SCIM filter: `eq` terms, joined by `or`. Values are JSON strings; names and values are compared
 * without regard to case, so one address can match several users.
 *
 * Source: https://qlik.dev/apis/rest/users (`filter`), RFC 7644 section 3.4.2.2
 *
 * @returns the test that a user has to pass, or null when the filter cannot be read
 */
export function parseFilter(filter: string): ((user: Filterable) => boolean) | null {
  if (!FILTER.test(filter)) return null
  const terms: { name: keyof Filterable; value: string }[] = []
  for (const [, attribute, json] of filter.matchAll(TERMS)) {
    const name = FILTERABLE.find((candidate) => candidate === attribute?.toLowerCase())
    const value = parseString(json)
    if (name === undefined || value === null) return null
    terms.push({ name, value: value.toLowerCase() })
  }
  return (user) => terms.some(({ name, value }) => user[name]?.toLowerCase() === value)
}

function parseString(json = ''): string | null {
  try {
    return String(JSON.parse(json))
  } catch {
    return null
  }
}
