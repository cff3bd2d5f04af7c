import type { z } from 'zod'
import { toProblem } from '../http/problems.ts'
import { invalidRequest } from '../http/validate.ts'
import { ApiError } from './api.ts'

/**
 * A value that has the shape.
 * @throws ApiError as if the API had refused it
 */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const { data, error } = schema.safeParse(value)
  if (error) throw new ApiError(400, toProblem(invalidRequest(error)))
  return data as z.output<Schema>
}
