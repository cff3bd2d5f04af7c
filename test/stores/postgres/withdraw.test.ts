import t from 'tap'
import { systemClock } from '../../../src/base/clock.ts'
import { openPostgresStore } from '../../../src/stores/postgres/store.ts'
import { aCompletion, accept, claim, existing, SILENT } from '../../conformance/stores.ts'
import { until } from '../../support/events.ts'
import { startPostgres } from '../../support/postgres.ts'
import { T0 } from '../../support/signals.ts'

/** Heartbeats would also report the lost run, later. */
const clock = { ...systemClock, after: () => () => {} }

t.test('a run is overtaken as soon as another replica cancels it', async (t) => {
  const server = await startPostgres(t)
  const url = await server.createDatabase()
  const open = async () => {
    const store = await openPostgresStore(url, { connections: 3, clock, log: SILENT })
    t.teardown(() => store.close())
    return store
  }
  const [one, other] = [await open(), await open()]
  let woken = 0
  one.watch({
    onWork: () => {
      woken += 1
    },
    onEnded: () => {},
  })
  const { id } = await accept(one)
  t.match(existing((await claim(one))[0]), { id })
  const before = woken
  t.match(await other.withdraw(id, { now: T0, force: false }), { status: 'cancelled' })
  await until('the replica that runs it is notified', () => woken > before)
  await until('its run is overtaken', async () => (await one.overtaken()).includes(id))
  t.equal(await one.end(id, aCompletion()), false)
  t.match(await other.get(id), { status: 'cancelled', outcome: null })
})
