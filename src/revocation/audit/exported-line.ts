import { canonicalJson } from '../../base/canonical-json.ts'
import { sha256 } from './chain.ts'
import type { Head, StoredEntry } from './entry.ts'

/** What the chain depends on. The hash covers the other members of the entry. */
export interface ExportedLine {
  entry: {
    writer: string
    sequence: number
    previous: string | null
    event: string
    details: Record<string, unknown>
    /** The digest of the private part. */
    private: string | null
  }
  /** Null if the entry has none, or if it was erased. */
  private: unknown
  hash: string
  /** The digests of the entry and of the private part, as they are in this line. */
  computed: { hash: string; private: string | null }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const DIGEST = /^[0-9a-f]{64}$/

/** An entry as a line of the export. The line is canonical JSON, too. */
export function exportedLine({ text, private: privatePart, hash }: StoredEntry): string {
  return `{"entry":${text},"hash":"${hash}","private":${privatePart ?? 'null'}}\n`
}

/**
 * Reads a line of an export. Only the canonical form is accepted: if a line had two members of the same name, for example,
 * readers could disagree on what it says.
 * @returns if the line cannot be read, the reason
 */
export function readLine(line: Buffer): ExportedLine | string {
  const value = parse(line)
  if (!isObject(value) || !isObject(value.entry)) return 'it is not a JSON object with an entry, in UTF-8'
  if (value.entry.v !== 1) return 'this verifier does not support its version'
  try {
    const computed = {
      hash: sha256(canonicalJson(value.entry)),
      private: value.private === null ? null : sha256(canonicalJson(value.private)),
    }
    if (!isLine(value)) return 'members are missing, unknown or of another type'
    return canonicalJson(value) === line.toString() ? { ...value, computed } : NOT_CANONICAL
  } catch {
    return NOT_CANONICAL
  }
}

const NOT_CANONICAL = 'it is not in canonical form (RFC 8785)'

/** The chain entries that a member of `details` lists. Malformed ones are left out. */
export function headsIn(listed: unknown): Head[] {
  return Array.isArray(listed) ? listed.filter(isHead) : []
}

export function isHead(value: unknown): value is Head {
  return (
    isObject(value) &&
    typeof value.writer === 'string' &&
    typeof value.sequence === 'number' &&
    Number.isSafeInteger(value.sequence) &&
    value.sequence >= 1 &&
    isDigest(value.hash)
  )
}

type Unread = Record<string, unknown>

function isLine(value: Unread): value is Unread & Omit<ExportedLine, 'computed'> {
  const { entry, hash } = value
  return (
    Object.keys(value).join() === 'entry,hash,private' &&
    isObject(entry) &&
    isHead({ ...entry, hash }) &&
    (entry.previous === null || isDigest(entry.previous)) &&
    (entry.private === null || isDigest(entry.private)) &&
    typeof entry.event === 'string' &&
    isObject(entry.details)
  )
}

function isDigest(value: unknown): value is string {
  return typeof value === 'string' && DIGEST.test(value)
}

function isObject(value: unknown): value is Unread {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Undefined if it is not JSON in UTF-8. */
function parse(line: Buffer): unknown {
  try {
    return JSON.parse(utf8.decode(line))
  } catch {
    return undefined
  }
}
