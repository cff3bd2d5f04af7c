import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'
import { CurfewError, type InvalidMember } from '../errors.ts'

const TEXT_LENGTH = 300

/** Checks a part of a request by its zod schema. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  return (data) => {
    const { data: value, error } = schema.safeParse(data)
    return error ? { error: invalidRequest(error, httpPart) } : { value }
  }
}

/** What is wrong with a part of a request, by default its body: member by member, without the values. */
export function invalidRequest(error: z.ZodError, part = 'body'): CurfewError {
  const toName = part === 'body' ? pointer : (path: PropertyKey[]) => path.join('.')
  const members = error.issues.flatMap((issue): InvalidMember[] => {
    const { path, message } = issue
    if (issue.code !== 'unrecognized_keys') return [{ member: toName(path), expected: message }]
    return issue.keys.map((key) => ({ member: toName([...path, key]), expected: 'expected no such member' }))
  })
  const bounded = members.map(({ member, expected }) => ({
    member: member.slice(0, TEXT_LENGTH),
    expected: expected.slice(0, TEXT_LENGTH),
  }))
  return new CurfewError('CURFEW_REQUEST_INVALID', undefined, { members: bounded })
}

/** RFC 6901, except that the whole is `/`. */
function pointer(path: PropertyKey[]): string {
  const names = path.map((name) => String(name).replaceAll('~', '~0').replaceAll('/', '~1'))
  return `/${names.join('/')}`
}
