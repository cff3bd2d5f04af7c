/** In characters, and in members of a list. */
const LONGEST_VALUE = 256
const MAX_VALUES = 10

/**
 * A received value for the log. Anyone can send it, and a terminal may show it: shortened, printable ASCII only, no members
 * of objects.
 */
export function printable(value: unknown): unknown {
  if (Array.isArray(value))
    return value.slice(0, MAX_VALUES).map((one) => (Array.isArray(one) ? 'array' : printable(one)))
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? printableText(value) : typeof value
}

export function printableText(value: string, longest = LONGEST_VALUE): string {
  const text = value.length > longest ? `${value.slice(0, longest)}...` : value
  return text.replaceAll(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
