import type { Test } from 'tap'
import type { Reply } from './service.ts'

/** Asserts that a response postpones a token by an unknown key, which may be new. Returns false for other responses. */
export function isDeferred(t: Pick<Test, 'match'>, { status, headers, text }: Reply, name: string): boolean {
  if (status !== 503) return false
  t.match(headers.get('retry-after'), /^([1-9]|[12]\d|30)$/, name)
  t.match(text, /kid/, name)
  return true
}
