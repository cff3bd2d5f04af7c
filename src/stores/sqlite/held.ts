import type { SQLInputValue } from 'node:sqlite'
import type { SenderName } from '../../revocation/origin.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import type { Signal } from '../../revocation/signal.ts'
import type { HeldQuery } from '../../revocation/store/held-store.ts'
import { heldBy } from '../rows.ts'
import type { Prepared } from './prepared.ts'

/** The SQL statements for held revocations. They run in the caller's transaction. */
export function heldStatements({ rows, row }: Prepared) {
  return {
    /** The revocation that is held for this sender, user and device type. */
    of: ({ tenant, user, deviceType }: Signal, sender: SenderName): Revocation | null =>
      row(
        `SELECT * FROM revocations
         WHERE user_value = ? AND user_kind = ? AND tenant = ? AND device_key = ? AND status = 'held' AND held_by = ?`,
        user.value,
        user.kind,
        tenant,
        deviceType ?? '',
        heldBy(sender),
      ),

    /** Oldest first. */
    find({ ids, sender, tenants, limit }: HeldQuery): Revocation[] {
      const wanted: [condition: string, value: SQLInputValue | undefined][] = [
        ['id IN (SELECT value FROM json_each(?))', ids && JSON.stringify(ids)],
        ['held_by = ?', sender && heldBy(sender)],
        ['tenant IN (SELECT value FROM json_each(?))', tenants && JSON.stringify(tenants)],
      ]
      const given = wanted.filter(([, value]) => value !== undefined)
      const where = [`status = 'held'`, ...given.map(([condition]) => condition)].join(' AND ')
      const values = given.flatMap(([, value]) => (value === undefined ? [] : [value]))
      return rows(`SELECT * FROM revocations WHERE ${where} ORDER BY id LIMIT ?`, ...values, limit)
    },
  }
}
