import { parse } from 'secure-json-parse'
import { CurfewError } from './errors.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The text of a body. @throws CURFEW_BODY_UNREADABLE where it is not UTF-8 */
export function decodeUtf8(bytes: Buffer): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new CurfewError('CURFEW_BODY_UNREADABLE', undefined, { cause })
  }
}

/**
 * What callers of Curfew's own interface send, by the parser that Fastify has, too.
 * @throws CURFEW_BODY_UNREADABLE where it is no JSON, or would poison a prototype (`__proto__`, `constructor.prototype`)
 */
export function parseJson(text: string): unknown {
  return parsed(text, 'error')
}

/**
 * The same of services that pass on what their users have written somewhere in it: what would poison a prototype is left
 * out, since nobody may keep a service from telling that they are gone.
 * @throws CURFEW_BODY_UNREADABLE where it is no JSON
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
