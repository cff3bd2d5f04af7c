import { z } from 'zod'
import { ROUTES, type RouteName } from './call-log.ts'
import { RETRY_AFTER_FORMS } from './rate-limit-error.ts'

const count = z.number().int().min(0).or(z.literal(Number.POSITIVE_INFINITY))

/** The calls that a fault applies to. Only calls that passed authentication and the rate limit count. */
const target = {
  /** Only calls of this route. Default: any. */
  route: z.enum(ROUTES).optional(),
  /** Only calls with this HTTP method. Default: any. */
  method: z.string().toUpperCase().optional(),
  /** Only calls for this token (`revoke`) or user (`user`, `list` with `userId`), by exact id. */
  id: z.string().optional(),
  /** How many matching calls to skip first. */
  after: count.default(0),
  /** How many matching calls the fault applies to. */
  times: count.default(1),
}

/** For faults that replace the response: whether the call takes effect first. */
const takesEffect = z.boolean().default(false)
const seconds = z.number().int().min(0)

/** The faults that a test can order. Kinds with `takesEffect` replace the response, the others corrupt it. */
export const faultSchema = z.discriminatedUnion('kind', [
  /**
   * Another status, with the documented error body (or `body`) and extra headers. With 204, a `revoke` succeeds without
   * effect.
   */
  z.strictObject({
    kind: z.literal('status'),
    status: z.number().int().min(200).max(599),
    headers: z.record(z.string(), z.string()).default({}),
    body: z.unknown().optional(),
    takesEffect,
    ...target,
  }),
  /** 429 with `seconds` in one of the formats of RFC 9110. With `blocks`, the tier enforces it. */
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
  /** The connection is reset without a response. */
  z.strictObject({ kind: z.literal('reset'), takesEffect, ...target }),
  /** No response until either side closes the connection. */
  z.strictObject({ kind: z.literal('hang'), takesEffect, ...target }),
  /** The response is sent this long after the call took effect. Its Date is the time of arrival. */
  z.strictObject({ kind: z.literal('late'), delayMs: z.number().int().min(0).default(8_000), ...target }),
  /** The body is cut in the middle, with a matching length. */
  z.strictObject({ kind: z.literal('broken-json'), ...target }),
  /** The body is JSON of another shape. */
  z.strictObject({ kind: z.literal('wrong-schema'), body: z.unknown().optional(), ...target }),
  /** White space before the body. */
  z.strictObject({
    kind: z.literal('huge-body'),
    bytes: z
      .number()
      .int()
      .min(0)
      .default(64 * 1024 * 1024),
    ...target,
  }),
  /** The body is sent in small chunks, with a pause before each. */
  z.strictObject({
    kind: z.literal('trickle'),
    chunkBytes: z.number().int().min(1).default(1),
    intervalMs: z.number().int().min(0).default(100),
    ...target,
  }),
  /** The listing's `next` link always points to its first page. */
  z.strictObject({ kind: z.literal('endless-next'), ...target }),
])

/** A fault as ordered. */
export type Fault = z.input<typeof faultSchema>
/** A fault with its defaults. */
export type FaultSpec = z.output<typeof faultSchema>

export interface OrderedFault {
  readonly spec: FaultSpec
  /** How many calls the fault was applied to so far. */
  readonly applied: number
  /** Whether the fault applies to further calls. */
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

/** The pending faults. At most one applies to a call: the one ordered first. */
export class FaultOrders {
  #orders: Order[] = []

  /** Throws a `ZodError` if the fault is invalid. */
  add(fault: Fault): OrderedFault {
    const order = new Order(faultSchema.parse(fault))
    this.#orders.push(order)
    return order
  }

  /** Cancels all pending faults. */
  cancelAll(): void {
    for (const order of this.#orders) order.cancel()
  }

  /** The fault for this call, counted as applied; null if there is none. */
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
