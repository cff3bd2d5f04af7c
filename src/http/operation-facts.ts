import { z } from 'zod'

declare module 'fastify' {
  interface FastifySchema {
    /** For the OpenAPI document only: what schemas of bodies and parameters do not express. */
    'x-facts'?: OperationFacts
  }
}

/** What the OpenAPI document says of a route besides its schemas. */
export interface OperationFacts {
  requestHeaders?: readonly RequestHeader[]
  /** Headers of responses, by status. Those of `default` are the same for every route. */
  responseHeaders?: Readonly<Record<number, readonly ResponseHeader[]>>
  /** Whether the body can be omitted. */
  optionalBody?: boolean
  /** Whether no limit for clients applies: probes. */
  isUnlimited?: boolean
  /** Bodies that the route accepts. */
  examples?: Readonly<Record<string, Example>>
}

export interface Example {
  summary: string
  value: unknown
}

interface HeaderFacts {
  description: string
  schema: z.ZodType
  example?: string | number
  required?: boolean
}

/** Parameters that requests send as headers. Each route reads them itself, because some of them are authenticated first. */
export const REQUEST_HEADERS = {
  Prefer: {
    description:
      '`wait=N` waits up to N seconds, at most 30, for the revocation to finish (RFC 7240). Other preferences are ignored.',
    schema: z.string(),
    example: 'wait=10',
  },
  'Idempotency-Key': {
    description:
      'Up to 255 printable ASCII characters, with or without quotes. The same key with the same request returns the ' +
      'first response again for 10 minutes; with another request it is rejected. Ignored on signed requests.',
    schema: z.string().min(1).max(257),
    example: '"logout-of-session-4711"',
  },
  'webhook-id': {
    description: 'Signed requests only: unique id of the message. Also accepted as `svix-id`.',
    schema: z.string(),
    example: 'msg_2KWPBgLlAfxdpx2AI54pPJ85f4W',
  },
  'webhook-timestamp': {
    description:
      'Signed requests only: Unix time in seconds, at most 5 minutes off. Also accepted as `svix-timestamp`.',
    schema: z.string(),
    example: '1795780800',
  },
  'webhook-signature': {
    description:
      'Signed requests only: `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`; several are separated by spaces. ' +
      'Also accepted as `svix-signature`. If present, the API key is ignored.',
    schema: z.string(),
    example: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  },
  'x-okta-verification-challenge': {
    description: 'The value to return',
    schema: z.string().min(1).max(1_024),
    example: 'b1c2d3',
    required: true,
  },
} as const satisfies Record<string, HeaderFacts>
export type RequestHeader = keyof typeof REQUEST_HEADERS

export const RESPONSE_HEADERS = {
  Location: {
    description: 'Path of the revocation. Missing in the result of a dry run.',
    schema: z.string(),
    example: '/revocations/01f7dd5c-5d0c-4c4e-9d0e-3b1f0c9a7e21',
  },
  'Preference-Applied': {
    description: 'The applied wait, if `Prefer` requests one (RFC 7240)',
    schema: z.string(),
    example: 'wait=10',
  },
  'Retry-After': {
    description: 'In 429 and 503 responses: seconds until the request can be sent again',
    schema: z.int().min(1).max(3_600),
    example: 5,
  },
  'WWW-Authenticate': {
    description: 'In 401 responses: the expected authentication',
    schema: z.string(),
    example: 'Bearer',
  },
} as const satisfies Record<string, HeaderFacts>
export type ResponseHeader = keyof typeof RESPONSE_HEADERS

/** The facts of routes that accept one signal and can wait for its revocation. */
export const SIGNAL_FACTS = {
  requestHeaders: ['Prefer', 'Idempotency-Key'],
  responseHeaders: { 200: ['Location', 'Preference-Applied'], 202: ['Location', 'Preference-Applied'] },
} as const satisfies OperationFacts

/** The headers of a Standard Webhooks signature. */
export const SIGNATURE_HEADERS = [
  'webhook-id',
  'webhook-timestamp',
  'webhook-signature',
] as const satisfies readonly RequestHeader[]
