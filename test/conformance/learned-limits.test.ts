import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openPostgresStore } from '../../src/stores/postgres/store.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { fakeClock } from '../support/clock.ts'
import { startPostgres } from '../support/postgres.ts'
import { temporaryFolder } from '../support/service.ts'
import { T0 } from '../support/signals.ts'
import { SILENT } from './stores.ts'

const clock = fakeClock(T0)
const server = await startPostgres(t)
const KINDS = {
  sqlite: async (t: Test) => {
    const path = join(temporaryFolder(t), 'curfew.db')
    return async () => openSqliteStore(path, clock)
  },
  postgres: async () => {
    const url = await server.createDatabase()
    return () => openPostgresStore(url, { connections: 3, clock, log: SILENT })
  },
}

for (const [name, prepare] of Object.entries(KINDS)) {
  t.test(
    `${name}: a learned limit survives the process; the latest of a tenant, tier and kind counts`,
    async (t) => {
      const open = await prepare(t)
      const first = await open()
      t.same(await first.permits.learnedLimits?.(), [])
      const limits = [
        { origin: 'https://a.example', tier: 2, calls: 350 },
        { origin: 'https://a.example', tier: 1, calls: 9 },
        { origin: 'https://b.example', tier: 2, calls: 5 },
        { origin: 'https://a.example', tier: 2, calls: 245 },
        { origin: 'https://a.example', tier: 2, per: 'minute', calls: 100 },
      ] as const
      for (const limit of limits) await first.permits.learnLimit?.(limit)
      await first.close()
      const second = await open()
      t.teardown(() => second.close())
      const found = (await second.permits.learnedLimits?.()) ?? []
      t.ok(found.every(({ ageMs }) => ageMs >= 0))
      t.same(
        found.map(({ ageMs: _, ...limit }) => limit).sort((a, b) => a.calls - b.calls),
        [
          { ...limits[2], per: 'window' },
          { ...limits[1], per: 'window' },
          limits[4],
          { ...limits[3], per: 'window' },
        ],
      )
    },
  )
}
