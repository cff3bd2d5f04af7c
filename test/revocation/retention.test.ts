import t from 'tap'
import { startRetention } from '../../src/revocation/retention.ts'
import { fakeClock } from '../support/clock.ts'
import { startService } from '../support/service.ts'

const TEN_MINUTES_MS = 10 * 60_000
const DAY_MS = 24 * 60 * 60_000

t.test('ended revocations are deleted after the retention period; others stay', async (t) => {
  const clock = fakeClock()
  const environment = { RETENTION_DAYS: '1' }
  const service = await startService(t, { clock, sandbox: { now: clock.now }, environment, random: () => 1 })
  const { id } = await service.revoke({ userId: 'u1' })
  service.sandbox.tenant.order({
    kind: 'status',
    status: 500,
    route: 'list',
    times: Number.POSITIVE_INFINITY,
  })
  const waiting = await service.call('POST', '/logout-hook', { body: { userId: 'u2' } })

  const statusOf = async () => (await service.call('GET', `/revocations/${id}`)).status
  const acceptedAt = clock.now()
  while ((await statusOf()) === 200) clock.advance(TEN_MINUTES_MS)
  const ageMs = clock.now() - acceptedAt
  t.ok(ageMs > DAY_MS, `${ageMs / DAY_MS} days`)
  t.equal((await service.call('GET', `/revocations/${waiting.json.id}`)).status, 200)
})

t.test('it logs a failure, continues, and stops on request', async (t) => {
  const clock = fakeClock(100 * DAY_MS)
  const purges: [number, number][] = []
  const entriesBefore: number[] = []
  const logged: string[] = []
  const log = (_details: object, message: string) => void logged.push(message)
  const results = [3, new Error('no disk'), 0]
  const stop = startRetention({
    store: {
      async purge(endedBefore, now) {
        purges.push([endedBefore, now])
        const result = results.shift()
        if (result instanceof Error) throw result
        return result ?? 0
      },
      notifications: { purge: async () => 0 },
      audit: {
        purge: async (before) => {
          entriesBefore.push(before)
          return 1
        },
        recordHeads: async () => {},
      },
    },
    retentionDays: 30,
    auditRetentionDays: 60,
    clock,
    log: { info: log, warn: log, error: log },
  })
  t.same(purges, [], 'not at startup, when there is enough to do')
  for (let times = 1; times <= 3; times += 1) {
    clock.advance(TEN_MINUTES_MS)
    t.same(purges.at(-1), [clock.now() - 30 * DAY_MS, clock.now()])
    // The next run is scheduled once this one has finished.
    while (clock.untilNextTimer() === null) await Promise.resolve()
    if (times !== 2) t.equal(entriesBefore.at(-1), clock.now() - 60 * DAY_MS)
  }
  t.same(logged, [
    'deleted old rows',
    'deleted old entries of the audit trail',
    'could not delete old rows; retrying',
    'deleted old entries of the audit trail',
  ])
  stop()
  t.equal(clock.untilNextTimer(), null)
  clock.leap(DAY_MS)
  t.equal(purges.length, 3)
})
