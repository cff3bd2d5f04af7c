import { z } from 'zod'
import { AccessTokenText } from '../base/access-token.ts'
import { QlikFailure } from '../revocation/qlik-tenant.ts'
import { Identifier } from '../revocation/signal.ts'
import type { Answer } from './http.ts'

/**
 * Qlik's answers, as far as Curfew reads them. Unknown members are let through; a member that is missing or of
 * another type makes the answer unreadable. The sources are the OpenAPI documents at
 * https://qlik.dev/apis/rest/oauth-tokens, …/users and https://qlik.dev/authenticate/oauth.
 */

/**
 * An id that goes into a path and into the store: bounded, without what either refuses (half of a surrogate pair, NUL), and not
 * one of the segments that a URL parser would take away.
 */
const PathId = Identifier.refine((id) => id !== '.' && id !== '..')

const OptionalText = z.string().nullish().catch(null)

/** RFC 6749, appendix A.4. A scope of another form counts as empty. */
const GrantedScope = z
  .string()
  .regex(/^[\x20-\x7e]{0,1024}$/)
  .nullish()
  .catch('')

export const AccessTokenAnswer = z.looseObject({
  access_token: AccessTokenText,
  scope: GrantedScope,
  expires_in: z.number().positive().nullish().catch(null),
  expires_at: z.string().nullish().catch(null),
})

const Link = z.looseObject({ href: z.string().max(8_192) }).nullish()

export const TokensAnswer = z.looseObject({
  data: z
    .array(
      z.looseObject({
        id: PathId,
        userId: z.string(),
        deviceType: OptionalText,
        lastUsed: OptionalText,
        description: OptionalText,
        clientId: OptionalText,
      }),
    )
    .max(1_000),
  links: z.looseObject({ next: Link }).nullish(),
})

/** Roles are given by name; `roles` is the older member (strings), `assignedRoles` the newer one (objects). */
const Roles = z.array(z.string()).nullish().catch(null)
const AssignedRoles = z
  .array(z.looseObject({ name: z.string() }))
  .nullish()
  .catch(null)

export const OwnUserAnswer = z.looseObject({ id: PathId, roles: Roles, assignedRoles: AssignedRoles })

export const UserAnswer = z.looseObject({ id: z.string() })

export const UsersAnswer = z.looseObject({
  data: z
    .array(z.looseObject({ id: PathId, subject: z.string().nullish(), email: z.string().nullish() }))
    .max(1_000),
  links: z.looseObject({ next: Link }).nullish(),
})

const ErrorCode = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/)

/**
 * The code of the first error, where it is one, or OAuth's own (RFC 6749, section 5.2): the rest of an error answer may
 * repeat what was sent.
 */
const ErrorAnswer = z.union([
  z
    .looseObject({ errors: z.tuple([z.looseObject({ code: ErrorCode })], z.unknown()) })
    .transform(({ errors }) => errors[0].code),
  z.looseObject({ error: ErrorCode }).transform(({ error }) => error),
])

/**
 * The failure that an answer's status means; null for the statuses in `good`.
 * Statuses as documented at https://qlik.dev/apis/rest/oauth-tokens and …/rate-limiting.
 */
export function failureOf(answer: Answer, good: readonly number[]): QlikFailure | null {
  const { route, status, retryAfterMs } = answer
  if (good.includes(status)) return null
  const code = errorCodeOf(answer)
  const message = `Qlik Cloud answered ${route} with ${status}${code === null ? '' : ` (${code})`}.`
  if (status === 401) return new QlikFailure('unauthorized', message)
  if (status === 403) return new QlikFailure('forbidden', message)
  if (status === 429) return new QlikFailure('rate-limited', message, { retryAfterMs })
  if (status === 400 || status === 414) return new QlikFailure('rejected', message)
  if (status >= 500 || status === 408) return new QlikFailure('unavailable', message, { retryAfterMs })
  return new QlikFailure('unreadable', message)
}

/** The code in an error answer, Qlik's own or OAuth's; null where there is none. */
export function errorCodeOf({ text }: Answer): string | null {
  return ErrorAnswer.safeParse(parseJson(text)).data ?? null
}

/**
 * The answer's JSON in the form of `schema`.
 * @throws QlikFailure `unreadable`; the answer's text stays out of it
 */
export function read<T>({ route, text }: Answer, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  const member = parsed.error.issues[0]?.path.join('.') || 'the whole'
  throw new QlikFailure(
    'unreadable',
    `Qlik Cloud's answer to ${route} has not the documented form (${member}).`,
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON: undefined fits no schema, so the caller says what that means.
    return undefined
  }
}
