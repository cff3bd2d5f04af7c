import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'
import { CurfewError } from '../base/errors.ts'
import { invalidMembers, pointer } from '../base/json-pointer.ts'

const TEXT_LENGTH = 300

/** Validates a part of a request against its zod schema. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  return (data) => {
    const { data: value, error } = schema.safeParse(data)
    return error ? { error: invalidRequest(error, httpPart) } : { value }
  }
}

/** The error for an invalid part of a request. It lists the invalid members, without their values. */
export function invalidRequest(error: z.ZodError, part = 'body'): CurfewError {
  const toName = part === 'body' ? pointer : (path: PropertyKey[]) => path.join('.')
  const members = invalidMembers(error, toName).map(({ member, expected }) => ({
    member: member.slice(0, TEXT_LENGTH),
    expected: expected.slice(0, TEXT_LENGTH),
  }))
  return new CurfewError('CURFEW_REQUEST_INVALID', undefined, { members })
}
