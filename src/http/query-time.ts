import { z } from 'zod'

/** An optional time in a query. */
export const queryTime = z.iso
  .datetime({ offset: true, error: 'expected ISO 8601 with an offset, as in 2026-05-04T12:00:00Z' })
  .optional()
