import { createHash } from 'node:crypto'
import type { Signal, UserReference } from './signal.ts'

/** A key that is unique to the tenant and user reference, and does not reveal the user. */
export function userKey(tenant: string, { kind, value }: UserReference): string {
  return createHash('sha256')
    .update(JSON.stringify([tenant, kind, value]))
    .digest('base64')
}

/** Signals with the same key join: those for the same user and device type. */
export function queueKey({ tenant, user, deviceType }: Signal): string {
  return `${userKey(tenant, user)} ${deviceType ?? ''}`
}
