/**
 * The value of a header that occurs exactly once, else null. If it occurred twice, the server and a proxy in front of
 * it could each use a different value.
 * @param headers all values by lower-case name, like `headersDistinct` of Node's requests
 */
export function soleHeader(headers: NodeJS.Dict<string[]>, name: string): string | null {
  const [value, ...others] = headers[name.toLowerCase()] ?? []
  return value === undefined || others.length > 0 ? null : value
}
