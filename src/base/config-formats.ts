import { createPrivateKey } from 'node:crypto'
import { z } from 'zod'
import { isDigest } from './api-key-digest.ts'
import { isNetwork } from './public-addresses.ts'

// The formats of configured values, the same in the environment and in CONFIG_FILE.

/** The format of a value. `expected` is the message for a value that is invalid. */
export interface Format {
  isValid: (text: string) => boolean
  expected: string
}

/** Bounds of the numbers that can be set for all tenants (environment) and for each tenant (CONFIG_FILE). */
export const LIMITS = {
  tier1Limit: z.int().min(1).max(1_000_000),
  tier2Limit: z.int().min(2).max(1_000_000),
  rateWindowMs: z.int().min(100).max(86_400_000),
  timeoutMs: z.int().min(100).max(300_000),
  concurrency: z.int().min(1).max(128),
}

/** Splits a list into its items, by default at commas and line ends. Empty items are dropped. */
export function split(text: string, separator = /[,\n]/): string[] {
  return text
    .split(separator)
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** An origin, without path, query or fragment. */
function isTenantUrl(text: string): boolean {
  if (!isSecureAddress(text)) return false
  const { pathname, search, hash } = new URL(text)
  return pathname === '/' && search === '' && hash === ''
}

/**
 * Whether secrets may be sent to this address, and keys fetched from it: https, or http on loopback. An attacker who
 * changes an issuer's keys could log users out.
 */
export function isSecureAddress(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  if (username !== '' || password !== '') return false
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback)
}

/** A secure address, in an entry of CONFIG_FILE. */
export const SecureAddress = z.string().refine(isSecureAddress, 'expected https://… (http on loopback only)')

/** Rejects `sqlite::memory:` and `sqlite:file:…`, because that data may not outlive the process. */
function isDatabaseUrl(url: string): boolean {
  if (/^sqlite:(?!:|file:)./.test(url)) return true
  if (!/^postgres(ql)?:\/\/[^/]*\/./.test(url) || !URL.canParse(url)) return false
  // With an unencoded `/`, `?` or `#` in the password, a part of it would count as the host, and the @ comes later.
  const { pathname, search, hash } = new URL(url)
  return !`${pathname}${search}${hash}`.includes('@')
}

/** Standard Webhooks 1.0.0: 24 to 64 bytes. */
function isWebhookSecret(text: string): boolean {
  const match = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text)
  const { length } = Buffer.from(match?.[1] ?? '', 'base64')
  return length >= 24 && length <= 64
}

/** Printable, because some senders put it in a header; long enough that it cannot be guessed. */
function isHeaderSecret(text: string): boolean {
  return text.length >= 16 && text.length <= 512 && /^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(text)
}

/** A text that starts like a digest must be one: taken as the key itself, whoever reads the digest could use it. */
function isApiKey(text: string): boolean {
  return isDigest(text) || (/^[\x21-\x7e]{24,512}$/.test(text) && !/^sha256:/i.test(text))
}

/** An IP address or network, or a name of @fastify/proxy-addr for a group of them. A network of all addresses trusts anyone. */
function isProxy(text: string): boolean {
  return /^(loopback|linklocal|uniquelocal)$/.test(text) || isNetwork(text)
}

function isEd25519Key(text: string): boolean {
  try {
    return createPrivateKey(text).asymmetricKeyType === 'ed25519'
  } catch {
    return false
  }
}

export const FORMATS = {
  tenantUrl: {
    isValid: isTenantUrl,
    expected: 'expected https://<host>, without a path (http on loopback only)',
  },
  /** https://qlik.dev/apis/versioning: releases come in February, May, August and November. */
  apiVersion: {
    isValid: (text) => /^(\d{4}-(02|05|08|11)|latest|none)$/.test(text),
    expected: 'expected a release as YYYY-MM (MM is 02, 05, 08 or 11), latest or none',
  },
  /** RFC 8410. */
  signingKey: {
    isValid: isEd25519Key,
    expected: 'expected an Ed25519 private key in PEM, without a passphrase',
  },
  proxy: {
    isValid: isProxy,
    expected: 'expected IP addresses, networks such as 10.0.0.0/8, loopback, linklocal or uniquelocal',
  },
  network: {
    isValid: isNetwork,
    expected: 'expected an IP address, or a network such as 10.0.0.0/8',
  },
  secureAddress: { isValid: isSecureAddress, expected: 'expected https://… (http on loopback only)' },
  text: { isValid: (text) => text !== '', expected: 'expected a string that is not empty' },
  databaseUrl: {
    isValid: isDatabaseUrl,
    expected:
      'expected sqlite:<file path> or postgres://<user>:<password>@<host>/<database>, with @ / ? # in user and password percent-encoded',
  },
  apiKey: {
    isValid: isApiKey,
    expected:
      'expected at least 24 printable characters without spaces, or sha256: and 64 hexadecimal digits',
  },
  webhookSecret: { isValid: isWebhookSecret, expected: 'expected whsec_ and 24 to 64 bytes in base64' },
  /** A secret that the operator chooses. */
  sharedSecret: { isValid: isHeaderSecret, expected: 'expected 16 to 512 printable characters' },
  /** Supabase prefixes its secrets with the version of the signature. */
  svixSecret: {
    isValid: (text) => isWebhookSecret(text.replace(/^v1,/, '')),
    expected: 'expected whsec_ and 24 to 64 bytes in base64',
  },
} as const satisfies Record<string, Format>

/**
 * Requires exactly one of these sets of members, and no member of the others. A violation is reported together with
 * other mistakes; the JSON Schema has the rule, too.
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
      error: `expected ${ways.map((way) => way.join(' and ')).join(', or ')}: one of these, and only one`,
      when: ({ value }) => typeof value === 'object' && value !== null,
    })
    .meta({ oneOf: ways.map((way) => ({ required: way })) })
}

/** Allows one of two members, reported like `oneWay`. */
export function atMostOne<T extends z.ZodObject>(schema: T, members: readonly [string, string]): T {
  return schema
    .refine((value) => !members.every((member) => member in value), {
      path: [members[1]],
      error: `expected ${members.join(' or ')}, not both`,
      when: ({ value }) => typeof value === 'object' && value !== null,
    })
    .meta({ not: { required: members } })
}
