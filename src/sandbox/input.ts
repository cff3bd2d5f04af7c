import { z } from 'zod'
import { ApiError, errorBody } from './api-error.ts'

/** Validates a body or query. Throws an `ApiError` 400 with the mistakes, formatted by `toBody`. */
export function readInput<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  toBody = errorBody,
): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new ApiError(400, toBody(400, { detail: z.prettifyError(result.error) }))
}
