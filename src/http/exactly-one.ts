import { z } from 'zod'
import { jsonSchemaOf } from './openapi-document.ts'

/**
 * Describes an object with exactly one of several members: `oneOf`, with a closed schema per member. Validation stays
 * with a refined schema, because a union reports the errors of all its alternatives.
 * @param names the members of which exactly one is present
 * @param others the members that every alternative has
 */
export function describeExactlyOne(names: z.ZodRawShape, others: z.ZodRawShape = {}) {
  return Object.entries(names).map(([name, schema]) =>
    jsonSchemaOf(z.strictObject({ [name]: z.nonoptional(schema), ...others }).meta({ title: name })),
  )
}

interface Described {
  jsonSchema: z.core.JSONSchema.BaseSchema
}

/** For the generator of JSON Schema: alternatives replace the members of the object that they describe. */
export function preferAlternatives({ jsonSchema }: Described): void {
  if (jsonSchema.oneOf === undefined || jsonSchema.type !== 'object') return
  for (const key of ['type', 'properties', 'required', 'additionalProperties'] as const)
    delete jsonSchema[key]
}
