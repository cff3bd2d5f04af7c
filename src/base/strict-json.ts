import { parse } from 'secure-json-parse'
import { CurfewError } from './errors.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Decodes a body. @throws CURFEW_BODY_UNREADABLE if it is not UTF-8 */
export function decodeUtf8(bytes: Buffer): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new CurfewError('CURFEW_BODY_UNREADABLE', undefined, { cause })
  }
}

/**
 * Parses the JSON that callers of Curfew's own API send, with the parser that Fastify uses.
 * @throws CURFEW_BODY_UNREADABLE if it is not JSON, or would poison a prototype (`__proto__`, `constructor.prototype`)
 */
export function parseJson(text: string): unknown {
  return parsed(text, 'error')
}

/**
 * Parses JSON from services that include text written by their users. Members that would poison a prototype are removed
 * instead of rejected: a user must not be able to block the report of their own logout.
 * @throws CURFEW_BODY_UNREADABLE if it is not JSON
 */
export function parseForeignJson(text: string): unknown {
  return parsed(text, 'remove')
}

function parsed(text: string, action: 'error' | 'remove'): unknown {
  try {
    return parse(text, { protoAction: action, constructorAction: action })
  } catch (cause) {
    throw new CurfewError('CURFEW_BODY_UNREADABLE', undefined, { cause })
  }
}
