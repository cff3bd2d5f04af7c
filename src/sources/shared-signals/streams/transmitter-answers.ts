import { errors } from 'undici'
import { z } from 'zod'
import { CurfewError } from '../../../base/errors.ts'
import { StreamStatus } from '../security-event.ts'

// What a transmitter answers, as far as Curfew reads it (Shared Signals Framework 1.0, sections 7.1 and 8.1).

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

/** All streams, or the only one (drafts). One that cannot be read is not ours, and does not spoil the others. */
export const Streams = z.union([
  z
    .array(z.unknown())
    .max(1_000)
    .transform((streams) => streams.flatMap((stream) => Stream.safeParse(stream).data ?? [])),
  Stream.transform((stream) => [stream]),
])

export const Status = z.looseObject({ status: StreamStatus })

/**
 * Tokens with their `jti` (RFC 8936, section 2.3). What is none is refused as one, and does not spoil the others; nor does
 * one by the name of `__proto__`, which a record would lose.
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

/** Too slow, or too often: nothing against what was asked. */
const PASSING = new Set([408, 429])

/** The transmitter does not serve the stream. The message is for operators, and repeats nothing of an answer. */
export class TransmitterFailure extends CurfewError {
  /** The status of its answer, or null if there was none. */
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

  /** Whether it has understood, and does not want to: asking again would not help. */
  get isRefusal(): boolean {
    return this.status !== null && this.status >= 400 && this.status < 500 && !PASSING.has(this.status)
  }
}

/** @throws TransmitterFailure, without anything of the answer */
export function readAs<T extends z.ZodType>(schema: T, json: unknown, what: string): z.infer<T> {
  const { data, success } = schema.safeParse(json)
  if (!success) throw new TransmitterFailure(`Asked for ${what}, it answered with something else.`)
  return data
}

/** What is wrong, for operators: without addresses, and without anything of an answer. */
export function problemOf(error: unknown): string {
  if (error instanceof CurfewError) return error.message
  if (error instanceof errors.ResponseExceededMaxSizeError) return 'Its answer is too large.'
  return error instanceof SyntaxError ? 'It answers with something that is no JSON.' : 'It cannot be reached.'
}
