import { createHmac, randomBytes, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { areEqual } from '../../../base/constant-time.ts'
import { type TransmitterConfig, transmitterSecret } from '../entry.ts'
import type { StreamOwner } from './own-streams.ts'

const derive = promisify<string, string, number, Buffer>(scrypt)
const KEY_BYTES = 32

/** One derivation takes some 50 ms. */
const keys = new WeakMap<TransmitterConfig, Promise<Buffer>>()

/**
 * The key that proves states, once per entry: all replicas derive the same one from the secret for the transmitter. A
 * state is seen by others, so trying secrets against it has to be slow (scrypt, RFC 7914).
 */
export function stateKeyOf({ config: { issuer }, transmitter }: StreamOwner): Promise<Buffer> {
  const known = keys.get(transmitter)
  if (known) return known
  const key = stateKey(transmitterSecret(transmitter), issuer)
  keys.set(transmitter, key)
  return key
}

/** @param issuer of the transmitter, so that one attempt does not try all deployments */
export function stateKey(secret: string, issuer: string): Promise<Buffer> {
  return derive(secret, `curfew stream verification ${issuer}`, KEY_BYTES)
}

/**
 * The `state` of a stream's verification (Shared Signals Framework 1.0, section 8.1.4): proves itself, and for this stream
 * only, by a key that all replicas have, so that whichever of them gets the event knows it, also after a restart.
 */
export function newState(streamId: string, key: Buffer): string {
  const nonce = randomBytes(12).toString('base64url')
  return `${nonce}.${mac(nonce, streamId, key)}`
}

/** Whether Curfew has asked for a verification of this stream with this state. */
export function isOwnState(state: string, streamId: string, key: Buffer): boolean {
  const [nonce = '', given = '', ...more] = state.split('.')
  return more.length === 0 && areEqual(given, mac(nonce, streamId, key))
}

function mac(nonce: string, streamId: string, key: Buffer): string {
  // A nonce has no dot.
  return createHmac('sha256', key).update(`${nonce}.${streamId}`).digest('base64url')
}
