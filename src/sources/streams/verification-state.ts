import { createHmac, randomBytes } from 'node:crypto'
import { areEqual } from '../../constant-time.ts'

/**
 * The `state` of a stream's verification (Shared Signals Framework 1.0, section 8.1.4): proves itself by a secret that
 * all replicas have, so that whichever of them gets the event knows it, also after a restart.
 */
export function newState(secret: string): string {
  const nonce = randomBytes(12).toString('base64url')
  return `${nonce}.${mac(nonce, secret)}`
}

/** Whether Curfew has asked for a verification with this state. */
export function isOwnState(state: string, secret: string): boolean {
  const [nonce = '', given = '', ...more] = state.split('.')
  return more.length === 0 && areEqual(given, mac(nonce, secret))
}

function mac(nonce: string, secret: string): string {
  return createHmac('sha256', secret).update(`curfew stream verification ${nonce}`).digest('base64url')
}
