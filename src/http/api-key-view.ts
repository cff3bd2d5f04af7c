import { z } from 'zod'
import { ROLES } from '../base/role.ts'
import type { ApiKey } from './api-key.ts'
import type { Sender } from './senders.ts'

const time = z.iso.datetime().nullable()

/** An API key as operators see it: never the key or its digest. */
export const ApiKeyView = z.object({
  name: z.string(),
  roles: z.array(z.enum(ROLES)),
  tenants: z.array(z.string()).nullable().describe('Tenants it is restricted to; null for all'),
  notBefore: time,
  expiresAt: time,
  lastUsedAt: time.describe('Last authenticated request to this process; null if none since its start'),
})
export type ApiKeyView = z.infer<typeof ApiKeyView>

/**
 * The keys that this sender can see; null if it can see none. The roles `operate` and `admin` see keys; a key that is
 * restricted to tenants sees only keys restricted to these tenants.
 */
export function keysVisibleTo(sender: Sender | null, keys: readonly ApiKey[]): ApiKeyView[] | null {
  if (!sender?.roles.some((role) => role === 'operate' || role === 'admin')) return null
  const { tenants } = sender
  const isVisible = (key: ApiKey) =>
    tenants === null || key.tenants?.every((name) => tenants.includes(name)) === true
  return keys.filter(isVisible).map(viewOf)
}

function viewOf({ name, roles, tenants, notBefore, expiresAt, lastUsedAt }: ApiKey): ApiKeyView {
  return {
    name,
    roles: [...roles],
    tenants: tenants && [...tenants],
    notBefore: isoTime(notBefore),
    expiresAt: isoTime(expiresAt),
    lastUsedAt: isoTime(lastUsedAt),
  }
}

function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}
