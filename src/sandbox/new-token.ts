import { randomBytes } from 'node:crypto'
import type { ObjectIds } from './object-id.ts'
import type { SandboxToken } from './token-shelf.ts'

export interface IssueOptions {
  deviceType?: string | null
  /** Unix milliseconds, default now by the tenant's clock. */
  issuedAt?: number
  /** Form of the ids: with the issue time in front, which is the default, or telling nothing. */
  idForm?: 'object-id' | 'opaque'
  /** Unix milliseconds, default `issuedAt`. */
  lastUsed?: number | null
}

/** What is to be issued: to whom, and what an M2M client's token has besides. */
export type Issue = IssueOptions & { userId: string } & Partial<
    Pick<SandboxToken, 'clientId' | 'scope' | 'expiresAt'>
  >

/** The tenant that issues: its clock in Unix ms, how far that is ahead of the clock it was given, and its ids. */
export interface Issuer {
  now: number
  clockSkewMs: number
  objectId: ObjectIds
  serial: number
}

/** A token as it is at its issue: alive, with a secret of its own. */
export function newToken(issue: Issue, { now, clockSkewMs, objectId, serial }: Issuer): SandboxToken {
  const issuedAt = issue.issuedAt ?? now
  return {
    id: issue.idForm === 'opaque' ? randomBytes(24).toString('base64url') : objectId(issuedAt),
    userId: issue.userId,
    accessToken: randomBytes(48).toString('base64url'),
    issuedAt,
    storedAt: Math.min(issuedAt, now) - clockSkewMs,
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
