import type { z } from 'zod'
import type { InvalidMember } from './errors.ts'

/** A JSON Pointer (RFC 6901), except that the whole document is `/`. */
export function pointer(path: readonly PropertyKey[]): string {
  const names = path.map((name) => String(name).replaceAll('~', '~0').replaceAll('/', '~1'))
  return `/${names.join('/')}`
}

/** The invalid members that a schema reports, without their values. */
export function invalidMembers(
  { issues }: Pick<z.ZodError, 'issues'>,
  toName: (path: PropertyKey[]) => string = pointer,
): InvalidMember[] {
  return issues.flatMap((issue): InvalidMember[] => {
    const { path, message } = issue
    if (issue.code !== 'unrecognized_keys') return [{ member: toName(path), expected: message }]
    return issue.keys.map((key) => ({
      member: toName([...path, key]),
      expected: 'expected no member with this name',
    }))
  })
}
