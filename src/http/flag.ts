import { z } from 'zod'

/** A parameter of the query that is on or off; off by default. */
export const flag = z.stringbool({ truthy: ['true', '1'], falsy: ['false', '0'] }).default(false)
