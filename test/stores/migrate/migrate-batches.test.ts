import t from 'tap'
import { aCompletion, accept, claim, existing } from '../../conformance/stores.ts'
import { startPostgres } from '../../support/postgres.ts'
import { AN_ORIGIN, aSignal, T0 } from '../../support/signals.ts'
import { migrationStores } from './migration-stores.ts'

const server = await startPostgres(t)
const BATCH = { tenant: 'default', id: 'b1' }

t.test(
  'batches are copied, once; a member that joins another revocation there is replaced by it',
  async (t) => {
    const { fill, move, target } = await migrationStores(t, server)
    const ended = await fill(async (file) => {
      const signals = ['ended', 'queued', 'joins'].map((userId) => aSignal({ userId }))
      await file.accept(signals, null, T0, AN_ORIGIN, BATCH)
      const first = (await claim(file)).find(({ user }) => user.value === 'ended')
      await file.end(existing(first).id, aCompletion())
      return first
    })
    const there = await accept(await target(), { userId: 'joins' })
    t.match(await move(), { members: 3, joined: 1 })
    t.match(await move(), { members: 0 })
    const { items } = await (await target()).list({ batch: BATCH, limit: 10 })
    t.equal(items.length, 3)
    for (const id of [existing(ended).id, there.id]) t.ok(items.some((one) => one.id === id))
  },
)
