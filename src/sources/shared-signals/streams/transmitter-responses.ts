import { errors } from 'undici'
import { z } from 'zod'
import { CurfewError } from '../../../base/errors.ts'
import { StreamStatus } from '../security-event.ts'

// The parts of a transmitter's responses that Curfew reads (Shared Signals Framework 1.0, sections 7.1 and 8.1).

export const Metadata = z.looseObject({
  issuer: z.string(),
  configuration_endpoint: z.string(),
  status_endpoint: z.string().nullish().catch(null),
  verification_endpoint: z.string().nullish().catch(null),
  delivery_methods_supported: z.array(z.string()).nullish().catch(null),
})
export type Metadata = z.infer<typeof Metadata>

export const Stream = z.looseObject({
  stream_id: z.string().min(1).max(256),
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]).optional(),
  delivery: z.looseObject({
    method: z.string(),
    endpoint_url: z.string().optional(),
    authorization_header: z.string().nullish().catch(null),
  }),
  description: z.string().nullish().catch(null),
  events_requested: z.array(z.string()).nullish().catch(null),
  events_supported: z.array(z.string()).nullish().catch(null),
})
export type Stream = z.infer<typeof Stream>

/** All streams, or the only one (drafts). Unreadable streams are not Curfew's, and are skipped. */
export const Streams = z.union([
  z
    .array(z.unknown())
    .max(1_000)
    .transform((streams) => streams.flatMap((stream) => Stream.safeParse(stream).data ?? [])),
  Stream.transform((stream) => [stream]),
])

export const Status = z.looseObject({ status: StreamStatus })

/**
 * Tokens by `jti` (RFC 8936, section 2.3). A value that is not a string becomes an empty token, which is rejected
 * without affecting the others. Entries, because a record would lose a `jti` with the name `__proto__`.
 */
export const Polled = z.object({
  sets: z
    .custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value))
    .default({})
    .transform((sets) =>
      Object.entries(sets).map(([jti, token]): [jti: string, token: string] => [
        jti,
        typeof token === 'string' ? token : '',
      ]),
    ),
})
export type Polled = z.infer<typeof Polled>

/** Timeout and rate limit: the request itself is acceptable. */
const TEMPORARY = new Set([408, 429])

/** The transmitter does not serve the stream. The message is for operators, and contains nothing from a response. */
export class TransmitterFailure extends CurfewError {
  /** The status of the response, or null if there was none. */
  readonly status: number | null
  readonly retryAfter: string | null

  constructor(
    message: string,
    { status = null, retryAfter = null }: Partial<Pick<TransmitterFailure, 'status' | 'retryAfter'>> = {},
  ) {
    super('CURFEW_TRANSMITTER_FAILED', message)
    this.status = status
    this.retryAfter = retryAfter
  }

  /** Whether the transmitter declines the request, so that repeating it would not help. */
  get isRefusal(): boolean {
    return this.status !== null && this.status >= 400 && this.status < 500 && !TEMPORARY.has(this.status)
  }
}

/** @throws TransmitterFailure, which contains nothing from the response */
export function readAs<T extends z.ZodType>(schema: T, json: unknown, operation: string): z.infer<T> {
  const { data, success } = schema.safeParse(json)
  if (!success) throw new TransmitterFailure(`The response does not have the expected format (${operation}).`)
  return data
}

/** Describes an error to operators, without addresses and without anything from a response. */
export function problemOf(error: unknown): string {
  if (error instanceof CurfewError) return error.message
  if (error instanceof errors.ResponseExceededMaxSizeError) return 'The response is too large.'
  if (error instanceof SyntaxError) return 'The response is not JSON.'
  const code = error instanceof Error && 'code' in error && /^[A-Z_]{1,64}$/.exec(String(error.code))?.[0]
  return code ? `The transmitter is unreachable (${code}).` : 'The transmitter is unreachable.'
}
