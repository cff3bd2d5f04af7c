import { z } from 'zod'

/** One condition that readiness depends on, or that an operator should look at. */
export const Check = z.object({
  name: z.string(),
  status: z.enum(['ok', 'warning', 'failed']),
  detail: z.string().optional(),
})
export type Check = z.infer<typeof Check>
