import { CurfewError, invalidMember } from '../../base/errors.ts'
import { decodeUtf8, parseForeignJson } from '../../base/strict-json.ts'
import { isEvent, type Preset } from './preset.ts'

/** Events in one request. */
const EVENTS_AT_MOST = 1_000

const JSON_TYPE = /^application\/(json|[\w.-]+\+json) *(;|$)/i
const LINES_TYPE = /^application\/(x-)?(ndjson|jsonl|jsonlines|json-lines) *(;|$)/i

export interface ReadBody {
  /** The whole, or null where it is lines. */
  body: unknown
  /** What is no object among them is of no use, but does not spoil the rest. */
  events: unknown[]
}

/**
 * The events of a proven request.
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
  // A list with its items one a line is a list, also where something is wrong with it.
  if (body === undefined && (!preset.lines || text.trimStart().startsWith('[')))
    throw new CurfewError('CURFEW_BODY_UNREADABLE')
  const events = body === undefined ? linesOf(text) : preset.items(body)
  if (!events) throw invalidMember('/', 'expected the body that this kind of source sends')
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
  if (length > EVENTS_AT_MOST) throw invalidMember('/', `expected at most ${EVENTS_AT_MOST} events`)
}

/** Undefined, which JSON cannot say, for what is not JSON. */
function tryParse(text: string): unknown {
  try {
    return parseForeignJson(text)
  } catch {
    return undefined
  }
}
