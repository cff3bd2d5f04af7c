import { z } from 'zod'
import { ROUTES, type RouteName } from './call-log.ts'
import { RETRY_AFTER_FORMS } from './rate-limit-error.ts'

const count = z.number().int().min(0).or(z.literal(Number.POSITIVE_INFINITY))

/** Which calls a fault is for. Only calls that have passed authentication and the rate limit are looked at. */
const target = {
  /** Only calls of this route; default any. */
  route: z.enum(ROUTES).optional(),
  /** Only calls with this HTTP method; default any. */
  method: z.string().toUpperCase().optional(),
  /** Only calls about this token (`revoke`) or this user (`user`, `list` with `userId`), by the exact id. */
  id: z.string().optional(),
  /** How many matching calls to let through first. */
  after: count.default(0),
  /** How many matching calls to apply it to. */
  times: count.default(1),
}

/** For faults that come instead of the answer: whether the call does its work before that. */
const takesEffect = z.boolean().default(false)
const seconds = z.number().int().min(0)

/** What a test can order. Kinds with `takesEffect` come instead of an answer, the others spoil the answer. */
export const faultSchema = z.discriminatedUnion('kind', [
  /**
   * Another status, with the documented error body (or `body`) and extra headers. 204 for the route `revoke` is a
   * success that has no effect.
   */
  z.strictObject({
    kind: z.literal('status'),
    status: z.number().int().min(200).max(599),
    headers: z.record(z.string(), z.string()).default({}),
    body: z.unknown().optional(),
    takesEffect,
    ...target,
  }),
  /** 429 that announces `seconds`, in one of the forms of RFC 9110; `blocks` makes the tier keep to it. */
  z.strictObject({
    kind: z.literal('rate-limited'),
    seconds: seconds.default(13),
    retryAfter: z.enum(RETRY_AFTER_FORMS).default('seconds'),
    blocks: z.boolean().default(false),
    takesEffect,
    ...target,
  }),
  /** 302 (or `status`) to another host. */
  z.strictObject({
    kind: z.literal('redirect'),
    location: z.string().default('https://elsewhere.example.invalid/'),
    status: z.number().int().min(300).max(399).default(302),
    takesEffect,
    ...target,
  }),
  /** The connection is reset without an answer. */
  z.strictObject({ kind: z.literal('reset'), takesEffect, ...target }),
  /** No answer, until either side closes. */
  z.strictObject({ kind: z.literal('hang'), takesEffect, ...target }),
  /** The answer leaves this long after the call has done its work. Its Date is that of the call's arrival. */
  z.strictObject({ kind: z.literal('late'), delayMs: z.number().int().min(0).default(8_000), ...target }),
  /** The answer's body breaks off in the middle, with a length that fits. */
  z.strictObject({ kind: z.literal('broken-json'), ...target }),
  /** The answer's body is JSON of another shape. */
  z.strictObject({ kind: z.literal('wrong-schema'), body: z.unknown().optional(), ...target }),
  /** So many bytes of white space before the answer's body. */
  z.strictObject({
    kind: z.literal('huge-body'),
    bytes: z
      .number()
      .int()
      .min(0)
      .default(64 * 1024 * 1024),
    ...target,
  }),
  /** The answer's body comes in small pieces, with a pause before each. */
  z.strictObject({
    kind: z.literal('trickle'),
    chunkBytes: z.number().int().min(1).default(1),
    intervalMs: z.number().int().min(0).default(100),
    ...target,
  }),
  /** The listing's `next` link always leads to its first page. */
  z.strictObject({ kind: z.literal('endless-next'), ...target }),
])

/** A fault as it is ordered. */
export type Fault = z.input<typeof faultSchema>
/** A fault with its defaults filled in. */
export type FaultSpec = z.output<typeof faultSchema>

export interface OrderedFault {
  readonly spec: FaultSpec
  /** How many calls it was applied to so far. */
  readonly applied: number
  /** True while further calls would be struck by it. */
  readonly pending: boolean
  cancel(): void
}

class Order implements OrderedFault {
  readonly spec: FaultSpec
  applied = 0
  skipped = 0
  cancelled = false

  constructor(spec: FaultSpec) {
    this.spec = spec
  }

  get pending(): boolean {
    return !this.cancelled && this.applied < this.spec.times
  }

  cancel(): void {
    this.cancelled = true
  }

  matches(route: RouteName, method: string, id: string | null): boolean {
    const { spec } = this
    return (spec.route ?? route) === route && (spec.method ?? method) === method && (spec.id ?? id) === id
  }
}

/** The faults that wait for their calls. Each call is struck by one at the most: the first one ordered. */
export class FaultOrders {
  #orders: Order[] = []

  /** Throws a `ZodError` when the fault is not one that is known. */
  add(fault: Fault): OrderedFault {
    const order = new Order(faultSchema.parse(fault))
    this.#orders.push(order)
    return order
  }

  /** Calls that are still to come are left alone. */
  cancelAll(): void {
    for (const order of this.#orders) order.cancel()
  }

  /** The fault for this call, counted as applied; null when there is none. */
  take(route: RouteName, method: string, id: string | null): FaultSpec | null {
    if (this.#orders.length === 0) return null
    this.#orders = this.#orders.filter((order) => order.pending)
    for (const order of this.#orders) {
      if (!order.matches(route, method, id)) continue
      if (order.skipped >= order.spec.after) {
        order.applied += 1
        return order.spec
      }
      order.skipped += 1
    }
    return null
  }
}
