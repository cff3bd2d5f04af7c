import { z } from 'zod'

// The formats of configuration values, shared by the environment and the file.

/** A format: a check, and the message if the check fails. */
export interface Form {
  isGood: (text: string) => boolean
  expected: string
}

/** Whether a value is, or contains, the placeholder of `.env.example` and `deploy/kubernetes/secret.yaml`. */
export function isPlaceholder(text: string): boolean {
  return /replace-me/i.test(text)
}

export const PLACEHOLDER = 'expected your own value; this is still the placeholder of the example'

/** Limits of the numbers that can be set for all tenants (environment) and for each tenant (file). */
export const LIMITS = {
  tier1Limit: z.int().min(1).max(1_000_000),
  tier2Limit: z.int().min(2).max(1_000_000),
  rateWindowMs: z.int().min(100).max(86_400_000),
  timeoutMs: z.int().min(100).max(300_000),
  concurrency: z.int().min(1).max(128),
}

/** Splits a list at commas and line breaks, or at `separator`. */
export function split(text: string, separator = /[,\n]/): string[] {
  return text
    .split(separator)
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** Accepts only an origin. */
function isTenantUrl(text: string): boolean {
  if (!isSecureAddress(text)) return false
  const { pathname, search, hash } = new URL(text)
  return pathname === '/' && search === '' && hash === ''
}

/**
 * Secrets are sent to these addresses, and keys that decide who can log users out are fetched from them. Plain http is
 * therefore accepted on loopback only.
 */
export function isSecureAddress(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  if (username !== '' || password !== '') return false
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback)
}

export const SecureAddress = z.string().refine(isSecureAddress, 'expected https://… (http on loopback only)')

/** Rejects SQLite's `:memory:` and `file:` URIs: their data may not outlive the process. */
function isDatabaseUrl(url: string): boolean {
  if (/^sqlite:(?!:|file:)./.test(url)) return true
  return /^postgres(ql)?:\/\/[^/]*\/./.test(url) && URL.canParse(url)
}

/** Standard Webhooks 1.0.0: 24 to 64 bytes. */
function isWebhookSecret(text: string): boolean {
  const match = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text)
  const { length } = Buffer.from(match?.[1] ?? '', 'base64')
  return length >= 24 && length <= 64
}

/** Whether a text can be a header value and is too long to be guessed. */
function isSharedSecret(text: string): boolean {
  return text.length >= 16 && text.length <= 512 && /^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(text)
}

function isApiKey(text: string): boolean {
  return /^[\x21-\x7e]{24,512}$/.test(text)
}

export const FORMS = {
  tenantUrl: {
    isGood: isTenantUrl,
    expected: 'expected https://<host>, without a path (http on loopback only)',
  },
  /** https://qlik.dev/apis/versioning: releases come in February, May, August and November. */
  apiVersion: {
    isGood: (text) => /^(\d{4}-(02|05|08|11)|latest|none)$/.test(text),
    expected: 'expected a release as YYYY-MM (MM is 02, 05, 08 or 11), latest or none',
  },
  text: { isGood: (text) => text !== '', expected: 'expected a non-empty string' },
  databaseUrl: {
    isGood: isDatabaseUrl,
    expected: 'expected sqlite:<file path> or postgres://<user>:<password>@<host>/<database>',
  },
  apiKey: { isGood: isApiKey, expected: 'expected at least 24 printable characters without spaces' },
  webhookSecret: { isGood: isWebhookSecret, expected: 'expected whsec_ and 24 to 64 bytes in base64' },
  /** Chosen by the operator. */
  sharedSecret: { isGood: isSharedSecret, expected: 'expected 16 to 512 printable characters' },
  /** Supabase shows its secrets with the signature version as a prefix. */
  svixSecret: {
    isGood: (text) => isWebhookSecret(text.replace(/^v1,/, '')),
    expected: 'expected whsec_ and 24 to 64 bytes in base64',
  },
} as const satisfies Record<string, Form>

/**
 * Requires the members of exactly one of `ways`. A violation is reported together with other mistakes, and the JSON Schema
 * contains the rule for editors.
 */
export function oneWay<T extends z.ZodObject>(schema: T, ways: readonly (readonly string[])[]): T {
  const members = new Set(ways.flat())
  const isOneWay = (value: object) => {
    const present = [...members].filter((member) => member in value)
    return ways.some(
      (way) => way.length === present.length && way.every((member) => present.includes(member)),
    )
  }
  return schema
    .refine(isOneWay, {
      error: `expected exactly one of: ${ways.map((way) => way.join(' and ')).join(', or ')}`,
      when: ({ value }) => typeof value === 'object' && value !== null,
    })
    .meta({ oneOf: ways.map((way) => ({ required: way })) })
}

/** Rejects the two members together. Reported like `oneWay`. */
export function atMostOne<T extends z.ZodObject>(schema: T, members: readonly [string, string]): T {
  return schema
    .refine((value) => !members.every((member) => member in value), {
      path: [members[1]],
      error: `expected ${members.join(' or ')}, not both`,
      when: ({ value }) => typeof value === 'object' && value !== null,
    })
    .meta({ not: { required: members } })
}
