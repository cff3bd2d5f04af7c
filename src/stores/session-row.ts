import { z } from 'zod'
import type { Session } from '../revocation/session.ts'
import { UserKind } from '../revocation/signal.ts'

/** A row of `sessions`, in either store; checked when read: others may have touched it. */
export const SessionRow = z.object({
  tenant: z.string(),
  sid: z.string(),
  user_kind: UserKind,
  user_value: z.string(),
  expires_at: z.number().int(),
})
export type SessionRow = z.infer<typeof SessionRow>

export function toSession(row: unknown): Session {
  const { tenant, sid, user_kind, user_value, expires_at } = SessionRow.parse(row)
  return { tenant, sid, user: { kind: user_kind, value: user_value }, expiresAt: expires_at }
}

export function toSessionRow({ tenant, sid, user, expiresAt }: Session): SessionRow {
  return { tenant, sid, user_kind: user.kind, user_value: user.value, expires_at: expiresAt }
}
