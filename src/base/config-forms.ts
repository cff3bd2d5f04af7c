import { z } from 'zod'

// The forms of the values in the configuration, alike in the environment and in the file.

/** A form: whether a text has it, and what is said where it has not. */
export interface Form {
  isGood: (text: string) => boolean
  expected: string
}

/** Bounds of the numbers that can be said for all tenants (environment) and for each (file). */
export const LIMITS = {
  tier1Limit: z.int().min(1).max(1_000_000),
  tier2Limit: z.int().min(2).max(1_000_000),
  rateWindowMs: z.int().min(100).max(86_400_000),
  timeoutMs: z.int().min(100).max(300_000),
  concurrency: z.int().min(1).max(128),
}

/** The items of a list, separated by commas or line ends, or by what is given. */
export function split(text: string, separator = /[,\n]/): string[] {
  return text
    .split(separator)
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** An origin and nothing else. */
function isTenantUrl(text: string): boolean {
  if (!isSecureAddress(text)) return false
  const { pathname, search, hash } = new URL(text)
  return pathname === '/' && search === '' && hash === ''
}

/** Where secrets go, or keys come from that decide who may log users out: in the clear on this machine only. */
export function isSecureAddress(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  if (username !== '' || password !== '') return false
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback)
}

/** Such an address, in an entry of the file. */
export const SecureAddress = z.string().refine(isSecureAddress, 'expected https://… (http on loopback only)')

/** SQLite takes `:memory:` and `file:` URIs, too; what is kept there may not outlive the process. */
function isDatabaseUrl(url: string): boolean {
  if (/^sqlite:(?!:|file:)./.test(url)) return true
  if (!/^postgres(ql)?:\/\/[^/]*\/./.test(url) || !URL.canParse(url)) return false
  // An @ after the host shows that `/`, `?` or `#` in the password is not encoded: a part of it would count as the host.
  const { pathname, search, hash } = new URL(url)
  return !/[@]/.test(pathname + search + hash)
}

/** Standard Webhooks 1.0.0: 24 to 64 bytes. */
function isWebhookSecret(text: string): boolean {
  const match = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text)
  const { length } = Buffer.from(match?.[1] ?? '', 'base64')
  return length >= 24 && length <= 64
}

/** Whether a text can be the value of a header, and is long enough not to be guessed. */
function isBearable(text: string): boolean {
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
  text: { isGood: (text) => text !== '', expected: 'expected a text that is not empty' },
  databaseUrl: {
    isGood: isDatabaseUrl,
    expected:
      'expected sqlite:<file path> or postgres://<user>:<password>@<host>/<database>, with @ / ? # in user and password percent-encoded',
  },
  apiKey: { isGood: isApiKey, expected: 'expected at least 24 printable characters without spaces' },
  webhookSecret: { isGood: isWebhookSecret, expected: 'expected whsec_ and 24 to 64 bytes in base64' },
  /** Of the user's own choice. */
  sharedSecret: { isGood: isBearable, expected: 'expected 16 to 512 printable characters' },
  /** Supabase shows its secrets with the version of the signature before them. */
  svixSecret: {
    isGood: (text) => isWebhookSecret(text.replace(/^v1,/, '')),
    expected: 'expected whsec_ and 24 to 64 bytes in base64',
  },
} as const satisfies Record<string, Form>

/** Exactly one of these sets of members is given, and nothing of the others; told beside other mistakes, and to editors. */
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
      error: `expected ${ways.map((way) => way.join(' and ')).join(', or ')}: one of these, and only one`,
      when: ({ value }) => typeof value === 'object' && value !== null,
    })
    .meta({ oneOf: ways.map((way) => ({ required: way })) })
}

/** Of these two members one is given at most; told beside other mistakes, and to editors. */
export function atMostOne<T extends z.ZodObject>(schema: T, members: readonly [string, string]): T {
  return schema
    .refine((value) => !members.every((member) => member in value), {
      path: [members[1]],
      error: `expected ${members.join(' or ')}, not both`,
      when: ({ value }) => typeof value === 'object' && value !== null,
    })
    .meta({ not: { required: members } })
}
