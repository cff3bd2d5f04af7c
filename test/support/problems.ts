import type { Test } from 'tap'
import { ERRORS, type ErrorCode } from '../../src/base/errors.ts'
import type { Reply, Service } from './service.ts'

/** Asserts that an answer is the complete problem with this code, and that it names `member`. */
export function isProblem(t: Test, reply: Reply, code: ErrorCode, member?: string): void {
  const { status, title, action } = ERRORS[code]
  t.equal(reply.status, status, `${code}: ${reply.text}`)
  t.equal(reply.headers.get('content-type'), 'application/problem+json')
  t.equal(reply.headers.get('cache-control'), 'no-store')
  t.match(reply.json, { type: 'about:blank', status, code, title, action, detail: /./, requestId: /./ })
  if (member === undefined) return
  const named = reply.json.errors?.find((error: { member: string }) => error.member === member)
  t.match(named, { member, expected: /expected / }, `${member} is named: ${reply.text}`)
}

/** Asserts that no revocation was stored. */
export async function nothingStored(t: Test, service: Pick<Service, 'call'>): Promise<void> {
  const { json } = await service.call('GET', '/revocations')
  t.same(json, { items: [], nextCursor: null }, 'nothing is stored')
}
