import { createHash } from 'node:crypto'
import type { Signal, UserReference } from './signal.ts'

/** The same text for the same tenant and reference, and another one for every other. It does not show who it is. */
export function userKey(tenant: string, { kind, value }: UserReference): string {
  return createHash('sha256')
    .update(JSON.stringify([tenant, kind, value]))
    .digest('base64')
}

/** What joins what: signals for the same user and device type have the same key. */
export function queueKey({ tenant, user, deviceType }: Signal): string {
  return `${userKey(tenant, user)} ${deviceType ?? ''}`
}
