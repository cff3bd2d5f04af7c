import type { Test } from 'tap'
import { systemClock } from '../../../src/base/clock.ts'
import { openPostgresStore } from '../../../src/stores/postgres/store.ts'
import { SILENT } from '../../conformance/stores.ts'
import { fakeClock } from '../../support/clock.ts'
import type { PostgresServer } from '../../support/postgres.ts'
import { T0 } from '../../support/signals.ts'

/** An empty database, with functions to open stores and to read both tables. */
export async function jobTables(t: Test, server: PostgresServer) {
  const url = await server.createDatabase()
  const query = (text: string, values: unknown[] = []) => server.query(url, text, values)
  return {
    url,
    query,
    async open() {
      // Time stands still except for heartbeats.
      const clock = { ...fakeClock(T0), after: systemClock.after }
      const store = await openPostgresStore(url, { connections: 4, clock, log: SILENT })
      t.teardown(() => store.close())
      return store
    },
    /** A revocation's status, and its job's state, priority and whether it is due; null where there is none. */
    async both(id: string) {
      const [row] = await query('SELECT status FROM curfew.revocations WHERE id = $1', [id])
      const [job] = await query(
        `SELECT state, priority, start_after <= clock_timestamp() AS due FROM curfew_jobs.job
         WHERE name = 'revocations' AND id = $1`,
        [id],
      )
      return [row?.status ?? null, job ? `${job.state} ${job.priority} ${job.due ? 'due' : 'later'}` : null]
    },
    /** Makes pg-boss treat the jobs of a process as lost. */
    lose: () =>
      query(
        `UPDATE curfew_jobs.job SET state = 'retry', retry_count = retry_count + 1 WHERE state = 'active'`,
      ),
    /** Makes a job lost too often. pg-boss gives it up at its next check. */
    loseForGood: (id: string) =>
      query(
        `UPDATE curfew_jobs.job SET heartbeat_on = heartbeat_on - interval '1 minute', retry_count = retry_limit
         WHERE name = 'revocations' AND state = 'active' AND id = $1`,
        [id],
      ),
  }
}
