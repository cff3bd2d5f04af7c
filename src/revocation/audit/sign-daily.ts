import { createPrivateKey } from 'node:crypto'
import type { Log } from '../../base/log.ts'
import type { AuditLog } from './audit-log.ts'
import { headsSigned, readHeads } from './signed-heads.ts'

export interface SignDailyOptions {
  audit: Pick<AuditLog, 'spans' | 'page' | 'record'>
  /** PEM with an Ed25519 key. */
  key: string
  log: Pick<Log, 'info'>
}

/**
 * Signs the heads of the audit trail once per day (UTC) and process: several signatures of a day do no harm.
 * @returns a function to call from time to time
 */
export function createSignDaily({ audit, key, log }: SignDailyOptions): (now: number) => Promise<void> {
  const privateKey = createPrivateKey(key)
  let lastDay = ''
  return async (now) => {
    const day = new Date(now).toISOString().slice(0, 10)
    if (day === lastDay) return
    const heads = await readHeads(audit)
    if (heads.length === 0) return
    const event = headsSigned(heads, day, privateKey)
    await audit.record([event], now)
    lastDay = day
    const { signature } = event.details
    log.info({ day, chains: heads.length, signature }, 'signed the heads of the audit trail')
  }
}
