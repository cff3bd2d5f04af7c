import { createPrivateKey, createPublicKey } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { DAY_MS, dayOf } from '../../base/utc-day.ts'
import type { AuditLog } from './audit-log.ts'
import { DeletableEntries } from './deletable-entries.ts'
import { ANNOUNCED_DAYS, hasSignature, headsSigned, readHeads } from './signed-heads.ts'

const INTERVAL_MS = 10 * 60_000
/**
 * A signature that is not older makes the one at the start unnecessary: otherwise, the trail of a process that restarts
 * again and again would grow with the square of its restarts, because each signature lists all chains.
 */
const RECENT_MS = 4 * 60 * 60_000

export interface SigningOptions {
  audit: Pick<AuditLog, 'spans' | 'page' | 'list' | 'record'>
  /** PEM with an Ed25519 key; null to sign nothing. */
  auditSigningKey: string | null
  /** 0 if the audit trail is turned off. */
  auditRetentionDays: number
  clock: Pick<Clock, 'now' | 'after'>
  log: Pick<Log, 'info' | 'error'>
}

/**
 * Signs the heads of the audit trail at the start, so that a process that is restarted daily signs, too, four hours later,
 * because the chains of this process begin after the first signature, and then once per day (UTC). Several signatures of
 * a day, by several processes, do no harm. A failure is logged and retried after ten minutes. Returns a function that
 * stops it.
 */
export function startSigning(options: SigningOptions): () => void {
  const { audit, auditSigningKey, auditRetentionDays, clock, log } = options
  if (auditSigningKey === null || auditRetentionDays === 0) return () => {}
  const privateKey = createPrivateKey(auditSigningKey)
  const publicKey = createPublicKey(privateKey)
  const deletableEntries = new DeletableEntries(audit)
  let cancelTimer = () => {}
  let stopped = false
  /** The latest signature that is known. */
  let latest: { day: string; at: number } | null = null
  let signatures = 0
  const isDue = async (now: number, day: string) => {
    const search = { key: publicKey, day, retentionDays: auditRetentionDays, from: now - RECENT_MS }
    if (latest === null && (await hasSignature(audit, search))) latest = { day, at: now }
    return latest?.day !== day || (signatures < 2 && now - latest.at >= RECENT_MS)
  }
  const sign = async () => {
    const now = clock.now()
    const day = dayOf(now)
    if (!(await isDue(now, day))) return
    const spans = await audit.spans()
    const heads = await readHeads(audit, spans)
    if (heads.length === 0) return
    const before = now - (auditRetentionDays - ANNOUNCED_DAYS) * DAY_MS
    const deletable = await deletableEntries.read(spans, before)
    const event = headsSigned({ day, heads, deletable, retentionDays: auditRetentionDays }, privateKey)
    await audit.record([event], now)
    latest = { day, at: now }
    signatures += 1
    const { signature } = event.details
    log.info({ day, chains: heads.length, signature }, 'signed the heads of the audit trail')
  }
  const run = async () => {
    try {
      await sign()
    } catch (error) {
      if (!stopped) log.error({ err: error }, 'could not sign the heads of the audit trail; retrying')
    }
    if (!stopped) cancelTimer = clock.after(INTERVAL_MS, run)
  }
  void run()
  return () => {
    stopped = true
    cancelTimer()
  }
}
