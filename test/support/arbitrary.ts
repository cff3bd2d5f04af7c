import fc from 'fast-check'
import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../../src/base/errors.ts'
import { isVerified, Revocation } from '../../src/revocation/revocation.ts'

/** Any text that PostgreSQL stores. */
const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((value) => !value.includes('\0'))
/** Fits in the narrowest column. */
const whole = fc.integer({ min: 0, max: 2 ** 31 - 1 })
const errorCode = fc.constantFrom(...(Object.keys(ERRORS) as ErrorCode[]))

/** Any value of a schema, whatever its members: a new member is covered at once. */
function anyOf(schema: unknown): fc.Arbitrary<unknown> {
  if (schema instanceof z.ZodDefault) return anyOf(schema.unwrap())
  if (schema instanceof z.ZodCatch) return errorCode
  if (schema instanceof z.ZodNullable) return fc.option(anyOf(schema.unwrap()))
  if (schema instanceof z.ZodEnum) return fc.constantFrom(...schema.options)
  if (schema instanceof z.ZodString) return text
  if (schema instanceof z.ZodNumber) return whole.filter((value) => schema.safeParse(value).success)
  if (schema instanceof z.ZodBoolean) return fc.boolean()
  if (schema instanceof z.ZodArray) return fc.array(anyOf(schema.element), { maxLength: 3 })
  if (schema instanceof z.ZodObject) {
    const members = Object.entries(schema.shape).map(([name, member]) => [name, anyOf(member)])
    return fc.record(Object.fromEntries(members)).filter((value) => schema.safeParse(value).success)
  }
  throw new Error('A member of Revocation has a type that this generator does not support.')
}

/** Any revocation that a store may hold. */
export const anyRevocation: fc.Arbitrary<Revocation> = fc
  .tuple(anyOf(Revocation), fc.uuid({ version: 7 }), fc.option(fc.uuid()))
  .map(([value, id, supersededBy]) => {
    const revocation = Revocation.parse({ ...Object(value), id, supersededBy })
    return { ...revocation, verified: isVerified(revocation) }
  })
