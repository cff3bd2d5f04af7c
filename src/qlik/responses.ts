import { z } from 'zod'
import { AccessTokenText } from '../base/access-token.ts'
import { jsonOrUndefined } from '../base/json-or-undefined.ts'
import { QlikFailure } from '../revocation/qlik-tenant.ts'
import { Identifier } from '../revocation/signal.ts'
import type { QlikResponse } from './http.ts'

/**
 * The parts of Qlik's responses that Curfew reads. Unknown members are accepted; a missing member, or one of another
 * type, makes the response unreadable. Sources are the OpenAPI documents at https://qlik.dev/apis/rest/oauth-tokens,
 * …/users and https://qlik.dev/authenticate/oauth.
 */

/**
 * An id for use in paths and in the store: of limited length, without characters that either rejects (unpaired
 * surrogates, NUL), and not a dot segment, which a URL parser would remove.
 */
const PathId = Identifier.refine((id) => id !== '.' && id !== '..')

const OptionalText = z.string().nullish().catch(null)

/** RFC 6749, appendix A.4. A scope in another format counts as empty. */
const GrantedScope = z
  .string()
  .regex(/^[\x20-\x7e]{0,1024}$/)
  .nullish()
  .catch('')

export const AccessTokenResponse = z.looseObject({
  access_token: AccessTokenText,
  scope: GrantedScope,
  expires_in: z.number().positive().nullish().catch(null),
  expires_at: z.string().nullish().catch(null),
})

const Link = z.looseObject({ href: z.string().max(8_192) }).nullish()

export const TokensResponse = z.looseObject({
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

/** Roles are reported by name; `roles` is the older member (strings), `assignedRoles` the newer one (objects). */
const Roles = z.array(z.string()).nullish().catch(null)
const AssignedRoles = z
  .array(z.looseObject({ name: z.string() }))
  .nullish()
  .catch(null)

export const OwnUserResponse = z.looseObject({ id: PathId, roles: Roles, assignedRoles: AssignedRoles })

export const UserResponse = z.looseObject({ id: z.string() })

export const UsersResponse = z.looseObject({
  data: z
    .array(z.looseObject({ id: PathId, subject: z.string().nullish(), email: z.string().nullish() }))
    .max(1_000),
  links: z.looseObject({ next: Link }).nullish(),
})

const ErrorCode = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/)

/**
 * The code of the first error, or OAuth's own (RFC 6749, section 5.2). The rest of an error response may repeat what
 * was sent.
 */
const ErrorResponse = z.union([
  z
    .looseObject({ errors: z.tuple([z.looseObject({ code: ErrorCode })], z.unknown()) })
    .transform(({ errors }) => errors[0].code),
  z.looseObject({ error: ErrorCode }).transform(({ error }) => error),
])

/**
 * The failure for a response's status; null for the `expected` statuses. Statuses as documented at
 * https://qlik.dev/apis/rest/oauth-tokens and …/rate-limiting.
 */
export function failureOf(response: QlikResponse, expected: readonly number[]): QlikFailure | null {
  const { route, status, retryAfterMs } = response
  if (expected.includes(status)) return null
  const code = errorCodeOf(response)
  const message = `Qlik Cloud responded to ${route} with ${status}${code === null ? '' : ` (${code})`}.`
  if (status === 401) return new QlikFailure('unauthorized', message)
  if (status === 403) return new QlikFailure('forbidden', message)
  if (status === 429) return new QlikFailure('rate-limited', message, { retryAfterMs })
  if (status === 400 || status === 414) return new QlikFailure('rejected', message)
  if (status >= 500 || status === 408) return new QlikFailure('unavailable', message, { retryAfterMs })
  return new QlikFailure('unreadable', message)
}

/** The code in an error response, Qlik's own or OAuth's; null if there is none. */
export function errorCodeOf({ text }: QlikResponse): string | null {
  return ErrorResponse.safeParse(jsonOrUndefined(text)).data ?? null
}

/**
 * Parses the response's JSON with `schema`.
 * @throws QlikFailure `unreadable`, without the response's text
 */
export function read<T>({ route, text }: QlikResponse, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(jsonOrUndefined(text))
  if (parsed.success) return parsed.data
  const member = parsed.error.issues[0]?.path.join('.') || 'entire response'
  throw new QlikFailure(
    'unreadable',
    `Qlik Cloud's response to ${route} does not have the documented format (${member}).`,
  )
}
