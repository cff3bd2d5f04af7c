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
 * JSON of others, by the parser that Fastify has, too.
 * @throws CURFEW_BODY_UNREADABLE where it is no JSON, or would poison a prototype (`__proto__`, `constructor.prototype`)
 */
export function parseJson(text: string): unknown {
  try {
    return parse(text, { protoAction: 'error', constructorAction: 'error' })
  } catch (cause) {
    throw new CurfewError('CURFEW_BODY_UNREADABLE', undefined, { cause })
  }
}
