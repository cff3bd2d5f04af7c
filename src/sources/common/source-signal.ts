import { CurfewError } from '../../base/errors.ts'
import type { ReplayKey } from '../../revocation/replay.ts'
import {
  defaultScope,
  EmailAddress,
  Identifier,
  type Reason,
  type Signal,
  type UserKind,
  type UserReference,
} from '../../revocation/signal.ts'
import { type TenantNames, tenantFor } from '../../revocation/tenant-bounds.ts'
import type { CommonConfig } from './entry.ts'
import { expand } from './template.ts'

/** What a source has said, once that is proven. */
export interface Statement {
  /** What templates may name: claims of a token, or a body. */
  values: unknown
  /** How its kind names users, where the entry says nothing of it; or a user who is known, whatever the entry says. */
  user: { as: UserKind; from: string } | UserReference
  /** Why, where the entry says nothing of it. */
  reason: Reason
  /** When, or null for now; ms since the epoch. Parts of a ms are left out. */
  occurredAt: number | null
}

/**
 * The signal that a statement means, within the bounds of its source's entry.
 * @throws CURFEW_UNKNOWN_TENANT, CURFEW_SUBJECT_UNKNOWN
 */
export function sourceSignal(
  config: CommonConfig,
  { values, user, reason, occurredAt }: Statement,
  { tenants, now }: { tenants: TenantNames; now: number },
): Signal {
  const why = config.reason ?? reason
  return {
    tenant: tenantOf(config, values, tenants),
    user:
      'kind' in user
        ? user
        : userOf({ as: config.user?.as ?? user.as, from: config.user?.from ?? user.from }, values),
    source: config.name,
    reason: why,
    scope: defaultScope(why),
    deviceType: null,
    occurredAt: Math.floor(occurredAt ?? now),
    acceptedAt: now,
  }
}

/** The tenant that is meant: the entry's own, or the one that the source names, if it may. */
export function tenantOf(config: CommonConfig, values: unknown, tenants: TenantNames): string {
  const named = config.tenantFrom === undefined ? config.tenant : expand(config.tenantFrom, values)
  if (named === null) throw new CurfewError('CURFEW_UNKNOWN_TENANT')
  return tenantFor(named, { tenants: config.tenants ?? null }, tenants)
}

/**
 * Recognizes what a source says again, by the id that it gave it.
 * @param keepUntil for so long at the least; ms since the epoch
 */
export function sourceReplay(
  { kind, name }: { kind: string; name: string },
  id: string,
  keepUntil: number,
): ReplayKey {
  return { key: `${kind}:${name}:${id}`, fingerprint: null, keepUntil }
}

function userOf({ as, from }: { as: UserKind; from: string }, values: unknown): UserReference {
  const schema = as === 'email' ? EmailAddress : Identifier
  const { data } = schema.safeParse(expand(from, values))
  if (data === undefined) throw new CurfewError('CURFEW_SUBJECT_UNKNOWN')
  return { kind: as, value: data }
}
