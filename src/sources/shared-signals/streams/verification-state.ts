import { createHmac, randomBytes, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { areEqual } from '../../../base/constant-time.ts'
import { type TransmitterConfig, transmitterSecret } from '../entry.ts'
import type { StreamOwner } from './own-streams.ts'

const derive = promisify<string, string, number, Buffer>(scrypt)
const KEY_BYTES = 32

/** Cached because a derivation takes about 50 ms. */
const keys = new WeakMap<TransmitterConfig, Promise<Buffer>>()

/**
 * The key that authenticates states, derived once per entry. All replicas derive the same key from the secret for the
 * transmitter. Others see states, so guessing the secret from one must be slow (scrypt, RFC 7914).
 */
export function stateKeyOf({ config: { issuer }, transmitter }: StreamOwner): Promise<Buffer> {
  const known = keys.get(transmitter)
  if (known) return known
  const key = stateKey(transmitterSecret(transmitter), issuer)
  keys.set(transmitter, key)
  return key
}

/** @param issuer the transmitter's issuer, as a salt: a guess then tests one deployment only */
export function stateKey(secret: string, issuer: string): Promise<Buffer> {
  return derive(secret, `curfew stream verification ${issuer}`, KEY_BYTES)
}

/**
 * A `state` for a stream's verification (Shared Signals Framework 1.0, section 8.1.4). It is authenticated, for this
 * stream only, with a key that all replicas share, so that any replica recognizes the event, also after a restart.
 */
export function newState(streamId: string, key: Buffer): string {
  const nonce = randomBytes(12).toString('base64url')
  return `${nonce}.${mac(nonce, streamId, key)}`
}

/** Whether Curfew requested a verification of this stream with this state. */
export function isOwnState(state: string, streamId: string, key: Buffer): boolean {
  const [nonce = '', given = '', ...more] = state.split('.')
  return more.length === 0 && areEqual(given, mac(nonce, streamId, key))
}

function mac(nonce: string, streamId: string, key: Buffer): string {
  // A nonce has no dot.
  return createHmac('sha256', key).update(`${nonce}.${streamId}`).digest('base64url')
}
