import type { Random } from './random.ts'
import type { Known } from './target.ts'
import { anyText } from './values.ts'

/** What one step of the run sends. */
export interface FuzzCase {
  /** For reports. */
  kind: string
  /** Whether it contains valid credentials, so that it may have effects. */
  isAuthentic: boolean
  bytes: Buffer
  /** Sent on its own connection, which then closes. There can be any number of responses. */
  isRaw: boolean
  method: string
  path: string
}

export interface FuzzRequest {
  kind: string
  isAuthentic?: boolean
  method: string
  path: string
  headers?: readonly (readonly [string, string])[]
  body?: Buffer | null
}

const PREFERENCES = [
  'wait=0',
  'wait=1',
  'wait=-1',
  'wait=x',
  'wait="1"',
  'respond-async',
  'wait=1;x',
  ',,',
  'wait=1, wait=2',
] as const

/** Header fields that a case may add. None of them is a credential. */
export function oddHeaders(random: Random): [string, string][] {
  const all: (() => [string, string])[] = [
    () => ['prefer', random.pick(PREFERENCES)],
    () => ['idempotency-key', headerText(random)],
    () => ['x-forwarded-for', headerText(random)],
    () => ['x-forwarded-proto', headerText(random)],
    () => ['accept', headerText(random)],
    () => ['accept-version', headerText(random)],
    () => ['content-encoding', random.pick(['gzip', 'br', 'identity', '', 'x'])],
    () => ['if-none-match', headerText(random)],
    () => ['range', 'bytes=0-1'],
    () => ['origin', 'https://elsewhere.example'],
    () => ['cookie', headerText(random)],
    () => ['upgrade', 'websocket'],
    () => ['x-http-method-override', 'DELETE'],
    () => ['te', 'trailers'],
    () => ['expect', random.pick(['100-continue', 'nonsense'])],
    () => ['user-agent', headerText(random)],
  ]
  return random.chance(0.6) ? [] : Array.from({ length: 1 + random.int(3) }, () => random.pick(all)())
}

/** A value that HTTP allows in a header. */
export function headerText(random: Random): string {
  return anyText(random)
    .replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '')
    .trim()
    .slice(0, 2_000)
}

/** A path segment that HTTP allows, percent-encoded or not. */
export function segment(random: Random): string {
  const text = anyText(random).slice(0, 600)
  if (random.chance(0.5)) return encodeURIComponent(text.toWellFormed())
  return text.replaceAll(/[^\x21-\x7e]/g, '').replaceAll('#', '')
}

export function toCase({
  kind,
  isAuthentic = false,
  method,
  path,
  headers = [],
  body = null,
}: FuzzRequest): FuzzCase {
  const target = path.startsWith('/') ? path : `/${path}`
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'host: curfew',
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ]
  if (body !== null) lines.push(`content-length: ${body.length}`)
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  const bytes = body === null ? head : Buffer.concat([head, body])
  return { kind, isAuthentic, bytes, isRaw: false, method, path: target }
}

export type Generate = (random: Random, known: Known) => Promise<FuzzRequest> | FuzzRequest

/** Only requests without valid credentials contain it. */
export const INTRUDER = 'intruder'
/** Few, so that most signals join one that is queued. */
export const USERS = 200

/** One of many addresses, so that the limits per address are used as in practice. */
export function from(random: Random): readonly [string, string] {
  const part = () => random.int(256)
  if (random.chance(0.02)) return ['x-forwarded-for', headerText(random)]
  if (random.chance(0.2))
    return ['x-forwarded-for', `2001:db8:${part().toString(16)}:${part().toString(16)}::1`]
  return ['x-forwarded-for', `10.${part()}.${part()}.${part()}`]
}
