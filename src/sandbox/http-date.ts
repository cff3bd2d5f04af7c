/** A Unix time in milliseconds as an HTTP date, which has whole seconds (RFC 9110 section 5.6.7). */
export function httpDate(milliseconds: number): string {
  return new Date(milliseconds).toUTCString()
}
