import { randomBytes } from 'node:crypto'
import type { Behaviour } from './behaviour.ts'
import type { ObjectIds } from './object-id.ts'
import type { SandboxToken } from './token-shelf.ts'

export interface IssueOptions {
  deviceType?: string | null
  /** Unix milliseconds, default now by the tenant's clock. */
  issuedAt?: number
  /** Time of the grant, which is in the token's id (Unix ms), default `grantAgeMs` before `issuedAt`. */
  grantedAt?: number
  /** Form of the ids: with the time of the grant in front, which is the default, or telling nothing. */
  idForm?: 'object-id' | 'opaque'
  /** Unix milliseconds, default `issuedAt`. */
  lastUsed?: number | null
}

/** What to issue: to whom, and what an M2M client's token has in addition. */
export type Issue = IssueOptions & { userId: string } & Partial<
    Pick<SandboxToken, 'clientId' | 'scope' | 'expiresAt'>
  >

/** The tenant that issues: its time (Unix ms), its settings, and its ids. */
export interface Issuer {
  now: number
  settings: Pick<Behaviour, 'clockSkewMs' | 'grantAgeMs'>
  objectId: ObjectIds
  serial: number
}

/** A token as it is at its issue: alive, with a secret of its own. */
export function newToken(issue: Issue, { now, settings, objectId, serial }: Issuer): SandboxToken {
  const issuedAt = issue.issuedAt ?? now
  const grantedAt = issue.grantedAt ?? issuedAt - settings.grantAgeMs
  return {
    id: issue.idForm === 'opaque' ? randomBytes(24).toString('base64url') : objectId(grantedAt),
    userId: issue.userId,
    accessToken: randomBytes(48).toString('base64url'),
    issuedAt,
    grantedAt,
    storedAt: Math.min(issuedAt, now) - settings.clockSkewMs,
    deviceType: issue.deviceType ?? null,
    clientId: issue.clientId ?? null,
    scope: issue.scope ?? 'user_default',
    expiresAt: issue.expiresAt ?? null,
    lastUsed: issue.lastUsed === undefined ? issuedAt : issue.lastUsed,
    serial,
    revoked: false,
    revokedAt: null,
  }
}
