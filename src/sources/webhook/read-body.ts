import { CurfewError, invalidMember } from '../../base/errors.ts'
import { decodeUtf8, parseForeignJson } from '../../base/strict-json.ts'
import { isEvent, type Preset } from './preset.ts'

/** Maximum number of events in one request. */
const MAX_EVENTS = 1_000

const JSON_TYPE = /^application\/(json|[\w.-]+\+json) *(;|$)/i
const LINES_TYPE = /^application\/(x-)?(ndjson|jsonl|jsonlines|json-lines) *(;|$)/i

export interface ReadBody {
  /** The parsed body, or null if it is JSON Lines. */
  body: unknown
  /** The events. Items that are not objects are rejected individually. */
  events: unknown[]
}

/**
 * Parses the events of an authenticated request.
 * @throws CURFEW_MEDIA_TYPE, CURFEW_BODY_UNREADABLE, CURFEW_REQUEST_INVALID
 */
export function readBody(
  bytes: Buffer,
  contentType: string | null,
  preset: Pick<Preset, 'items' | 'lines'>,
): ReadBody {
  const isLines = preset.lines === true && LINES_TYPE.test(contentType ?? '')
  if (!isLines && !JSON_TYPE.test(contentType ?? '')) throw new CurfewError('CURFEW_MEDIA_TYPE')
  const text = decodeUtf8(bytes)
  const body = isLines ? undefined : tryParse(text)
  // A body that starts with [ is a JSON list with one item per line, even if it is malformed.
  if (body === undefined && (!preset.lines || text.trimStart().startsWith('[')))
    throw new CurfewError('CURFEW_BODY_UNREADABLE')
  const events = body === undefined ? linesOf(text) : preset.items(body)
  if (!events) throw invalidMember('/', 'expected the body format of this kind of source')
  requireBounded(events)
  if (events.length > 0 && !events.some(isEvent)) throw new CurfewError('CURFEW_BODY_UNREADABLE')
  return { body: body ?? null, events }
}

function linesOf(text: string): unknown[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  if (lines.length === 0) throw new CurfewError('CURFEW_BODY_UNREADABLE')
  requireBounded(lines)
  return lines.map(tryParse)
}

function requireBounded({ length }: readonly unknown[]): void {
  if (length > MAX_EVENTS) throw invalidMember('/', `expected at most ${MAX_EVENTS} events`)
}

/** Undefined, which JSON cannot contain, for invalid JSON. */
function tryParse(text: string): unknown {
  try {
    return parseForeignJson(text)
  } catch {
    return undefined
  }
}
