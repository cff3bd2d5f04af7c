import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { AuditLog } from './audit/audit-log.ts'
import type { NotificationStore } from './store/notification-store.ts'
import type { RevocationStore } from './store.ts'

const INTERVAL_MS = 10 * 60_000
const DAY_MS = 24 * 60 * 60_000

export interface RetentionOptions {
  store: Pick<RevocationStore, 'purge'> & {
    audit: Pick<AuditLog, 'purge' | 'recordHeads'>
    notifications: Pick<NotificationStore, 'purge'>
  }
  retentionDays: number
  /** 0 if the audit trail is turned off. */
  auditRetentionDays: number
  clock: Clock
  log: Log
}

/**
 * Deletes revocations and notifications that ended more than `retentionDays` ago, and old entries of the audit trail, every ten minutes. Then
 * the heads of its chains are recorded, if that is due. Returns a function that stops it.
 */
export function startRetention({
  store,
  retentionDays,
  auditRetentionDays,
  clock,
  log,
}: RetentionOptions): () => void {
  let cancelTimer = () => {}
  let stopped = false
  const maintainAudit = async (now: number) => {
    const entries = await store.audit.purge(now - auditRetentionDays * DAY_MS, now)
    if (entries > 0) log.info({ entries }, 'deleted old entries of the audit trail')
    await store.audit.recordHeads(now)
  }
  const purge = async () => {
    try {
      const now = clock.now()
      const before = now - retentionDays * DAY_MS
      const purged = (await store.purge(before, now)) + (await store.notifications.purge(before, now))
      if (purged > 0) log.info({ purged }, 'deleted old rows')
      if (auditRetentionDays > 0) await maintainAudit(now)
    } catch (error) {
      if (!stopped) log.error({ err: error }, 'could not delete old rows; retrying')
    }
    if (!stopped) cancelTimer = clock.after(INTERVAL_MS, purge)
  }
  cancelTimer = clock.after(INTERVAL_MS, purge)
  return () => {
    stopped = true
    cancelTimer()
  }
}
