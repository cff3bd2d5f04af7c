import { z } from 'zod'
import { TOKEN_KIND_NAMES } from './token-kinds.ts'
import { VENDORS } from './vendors.ts'

const text = z.string().min(1).max(1_024)

export const KINDS = [...TOKEN_KIND_NAMES, ...VENDORS.map(({ kind }) => kind)] as const

/** A signal to send to Curfew. */
export const SignalOrder = z.strictObject({
  kind: z.enum(KINDS),
  /** Name of the source at Curfew; by default the sandbox's entry for the kind. */
  source: text.optional(),
  /** Id, e-mail address or subject of a user; by default the tenant's first user. */
  user: text.optional(),
  /** Name of a forgery of this kind; by default the request is valid. */
  forgery: text.optional(),
  /** How a security event is delivered. */
  delivery: z.enum(['push', 'poll']).default('push'),
  /** The session that a logout token names. */
  session: text.optional(),
  /** Claims that replace those of the token; null removes a claim. */
  claims: z.record(z.string(), z.unknown()).optional(),
  /** Members that replace those of the token's header; null removes a member. */
  header: z.record(z.string(), z.unknown()).optional(),
  /** Sent and signed instead of a vendor's documented body. */
  body: z.unknown().optional(),
  /** Address of Curfew. */
  curfew: z.url({ protocol: /^https?$/ }).optional(),
})
export type SignalOrder = z.infer<typeof SignalOrder>

/** An order that cannot be carried out. */
export class OrderError extends Error {}

/** The name of a forgery in a command: `alg none` is `alg-none`. */
export function slug(name: string): string {
  return name
    .toLowerCase()
    .replaceAll("'", '')
    .replaceAll(/[^a-z0-9+]+/g, '-')
    .replaceAll(/^-|-$/g, '')
}

/** The forgery with this name or slug. @throws OrderError with all names if there is none */
export function findForgery<Forgery extends { name: string }>(
  forgeries: readonly Forgery[],
  wanted: string,
): Forgery {
  const found = forgeries.find(({ name }) => slug(name) === slug(wanted))
  if (found) return found
  const names = forgeries.map(({ name }) => slug(name)).join(', ')
  throw new OrderError(`There is no forgery ${wanted} of this kind; there are: ${names}`)
}
