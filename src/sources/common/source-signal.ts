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

/** What an authenticated source reports. */
export interface Statement {
  /** The values for templates: the claims of a token, or a body. */
  values: unknown
  /** The kind's default mapping of users, or a known user, who takes precedence over the entry. */
  user: { as: UserKind; from: string } | UserReference
  /** The default; the entry's reason takes precedence. */
  reason: Reason
  /** In ms since the epoch, rounded down; null for now. */
  occurredAt: number | null
}

/**
 * Converts a statement to a signal, as the source's entry permits.
 * @throws CURFEW_UNKNOWN_TENANT, CURFEW_SUBJECT_UNKNOWN
 */
export function sourceSignal(
  config: CommonConfig,
  { values, user, reason: defaultReason, occurredAt }: Statement,
  { tenants, now }: { tenants: TenantNames; now: number },
): Signal {
  const reason = config.reason ?? defaultReason
  return {
    tenant: tenantOf(config, values, tenants),
    user:
      'kind' in user
        ? user
        : userOf({ as: config.user?.as ?? user.as, from: config.user?.from ?? user.from }, values),
    source: config.name,
    reason,
    scope: defaultScope(reason),
    deviceType: null,
    occurredAt: Math.floor(occurredAt ?? now),
    acceptedAt: now,
  }
}

/** The tenant of the entry, or the tenant that the source names, if the entry allows it. */
export function tenantOf(config: CommonConfig, values: unknown, tenants: TenantNames): string {
  const named = config.tenantFrom === undefined ? config.tenant : expand(config.tenantFrom, values)
  if (named === null) throw new CurfewError('CURFEW_UNKNOWN_TENANT')
  return tenantFor(named, { tenants: config.tenants ?? null }, tenants)
}

/**
 * The key that recognizes a repeated message of a source by its id.
 * @param keepUntil minimum retention, in ms since the epoch
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
