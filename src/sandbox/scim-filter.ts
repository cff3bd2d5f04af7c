/** Members of a user that a filter can test. */
const FILTERABLE = ['id', 'subject', 'email', 'status'] as const
type Filterable = Record<(typeof FILTERABLE)[number], string | null>

const TERM = String.raw`([a-z]+)\s+eq\s+("(?:[^"\\]|\\.)*")`
const TERMS = new RegExp(TERM, 'gi')
const FILTER = new RegExp(String.raw`^\s*${TERM}(?:\s+or\s+${TERM})*\s*$`, 'i')

/** Qlik does not document how case is ignored. `unicode` also treats compatible characters as equal. */
const FOLDINGS = {
  ascii: (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
  unicode: (text: string) => text.normalize('NFKC').toLowerCase().toUpperCase(),
} as const
export type Folding = keyof typeof FOLDINGS

/**
 * Parses a SCIM filter: `eq` terms joined by `or`. Values are JSON strings. Names and values ignore case, so one address can
 * match several users.
 *
 * Source: https://qlik.dev/apis/rest/users (`filter`), RFC 7644 section 3.4.2.2
 *
 * @param folding how values are compared
 * @returns a predicate for users, or null if the filter is invalid
 */
export function parseFilter(
  filter: string,
  folding: Folding = 'unicode',
): ((user: Filterable) => boolean) | null {
  if (!FILTER.test(filter)) return null
  const fold = FOLDINGS[folding]
  const terms: { name: keyof Filterable; value: string }[] = []
  for (const [, attribute, json] of filter.matchAll(TERMS)) {
    const name = FILTERABLE.find((candidate) => candidate === attribute?.toLowerCase())
    const value = parseString(json)
    if (name === undefined || value === null) return null
    terms.push({ name, value: fold(value) })
  }
  return (user) =>
    terms.some(({ name, value }) => {
      const own = user[name]
      return own !== null && fold(own) === value
    })
}

function parseString(json = ''): string | null {
  try {
    return String(JSON.parse(json))
  } catch {
    return null
  }
}
