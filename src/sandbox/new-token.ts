import { randomBytes } from 'node:crypto'
import type { Behaviour } from './behaviour.ts'
import type { ObjectIds } from './object-id.ts'
import type { SandboxToken } from './token-shelf.ts'

export interface IssueOptions {
  deviceType?: string | null
  /** In ms since the epoch. Default: now, by the tenant's clock. */
  issuedAt?: number
  /** Time of the grant, contained in the token's id, in ms since the epoch. Default: `grantAgeMs` before `issuedAt`. */
  grantedAt?: number
  /** Form of the id. Default: the setting `tokenIds`. */
  idForm?: 'object-id' | 'opaque'
  /** In ms since the epoch. Default: `issuedAt`. */
  lastUsed?: number | null
}

/** A token to issue, with the additional members of an M2M client's token. */
export type Issue = IssueOptions & { userId: string } & Partial<
    Pick<SandboxToken, 'clientId' | 'scope' | 'expiresAt'>
  >

/** The issuing tenant: its time in ms since the epoch, its settings and its ids. */
export interface Issuer {
  now: number
  settings: Pick<Behaviour, 'clockSkewMs' | 'grantAgeMs' | 'tokenIds'>
  objectId: ObjectIds
  serial: number
}

/** Creates a valid token with a new secret. */
export function newToken(issue: Issue, { now, settings, objectId, serial }: Issuer): SandboxToken {
  const issuedAt = issue.issuedAt ?? now
  const idForm = issue.idForm ?? settings.tokenIds
  const grantedAt = issue.grantedAt ?? issuedAt - settings.grantAgeMs
  return {
    id: idForm === 'opaque' ? randomBytes(24).toString('base64url') : objectId(grantedAt),
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
