import { z } from 'zod'
import type { Session, SessionSource } from '../revocation/session.ts'
import { UserKind } from '../revocation/signal.ts'

/** The columns of both tables. Validated because other programs may have changed them. */
const Noted = z.object({
  sid: z.string(),
  user_kind: UserKind,
  user_value: z.string(),
  expires_at: z.number().int(),
})

/** A row of `source_sessions`, in both stores. */
export const SessionRow = Noted.extend({ tenant: z.string(), source: z.string() })
export type SessionRow = z.infer<typeof SessionRow>

/** A row of `sessions`, in both stores: recorded by an earlier version, without its source. */
export const UnsourcedSessionRow = SessionRow.omit({ source: true })
export type UnsourcedSessionRow = z.infer<typeof UnsourcedSessionRow>

export function toSession(row: unknown): Session {
  const { sid, user_kind, user_value, expires_at } = Noted.parse(row)
  return { sid, user: { kind: user_kind, value: user_value }, expiresAt: expires_at }
}

export function toSessionRow(
  { tenant, source }: SessionSource,
  { sid, user, expiresAt }: Session,
): SessionRow {
  return { tenant, source, sid, user_kind: user.kind, user_value: user.value, expires_at: expiresAt }
}
