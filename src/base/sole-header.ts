/**
 * The value of a header that is sent once; null where it is not there, or more than once. Of two, the server and a proxy
 * before it could believe different ones.
 * @param headers every value that came, by name in lower case, as `headersDistinct` of Node's requests
 */
export function soleHeader(headers: NodeJS.Dict<string[]>, name: string): string | null {
  const [value, ...others] = headers[name.toLowerCase()] ?? []
  return value === undefined || others.length > 0 ? null : value
}
