import { z } from 'zod'
import { ApiError, errorBody } from './api-error.ts'

/** Reads a body or a query; throws an `ApiError` 400 with what is wrong with it, in the form that `toBody` gives. */
export function readInput<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  toBody = errorBody,
): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new ApiError(400, toBody(400, { detail: z.prettifyError(result.error) }))
}
