import { randomUUID } from 'node:crypto'
import { acceptTogether } from './accept.ts'
import type { PostgresDatabase } from './database.ts'
import type { PostgresJobs } from './jobs.ts'

/** Accepts a signal and takes that back, in a transaction whose commit is synced: it has assigned a transaction id. */
export async function probe(database: PostgresDatabase, jobs: PostgresJobs, now: number): Promise<void> {
  await database.transaction(async (query) => {
    await query('SAVEPOINT probe')
    const user = { kind: 'userId', value: randomUUID() } as const
    const signal = { tenant: 'curfew-probe', user, source: 'probe', reason: 'logout', scope: 'all' } as const
    const signals = [{ ...signal, deviceType: null, occurredAt: now, acceptedAt: now }]
    const request = { signals, replay: null, now, origin: undefined }
    await acceptTogether(query, jobs, { judge: () => 'run', isUpgradeComplete: false }, [request], () => {})
    await query('SET CONSTRAINTS ALL IMMEDIATE')
    await query('ROLLBACK TO SAVEPOINT probe')
  })
}
