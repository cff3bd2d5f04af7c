import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { isProblem, nothingStored } from '../support/problems.ts'
import { startService } from '../support/service.ts'

const NOW = Date.parse('2026-05-04T12:00:00.000Z')

t.test("the signal's time", async (t) => {
  const clock = fakeClock(NOW)
  const service = await startService(t, { clock, sandbox: { now: clock.now } })
  const post = (occurredAt: unknown) =>
    service.call('POST', '/logout-hook', { body: { userId: 'u1', occurredAt } })

  await t.test('is rejected if it is too far in the future or not a time', async (t) => {
    const wrong = [
      '2026-05-04T12:05:00.001Z',
      '2026-05-04T12:05:01+00:00',
      '9999-12-31T23:59:59Z',
      '2026-05-04',
      '2026-05-04T12:00:00',
      '2026-05-04 12:00:00Z',
      '2026-02-30T12:00:00Z',
      '2025-02-29T12:00:00Z',
      '2026-05-04T24:00:00Z',
      '2026-05-04T11:59:60Z',
      '2026-05-04T12:00:00+2',
      '2026-05-04T12:00:00+24:00',
      '+002026-05-04T12:00:00Z',
      'Mon, 04 May 2026 12:00:00 GMT',
      'yesterday',
      '',
      String(NOW),
      NOW,
      NOW / 1000,
      null,
      {},
    ]
    for (const occurredAt of wrong)
      isProblem(t, await post(occurredAt), 'CURFEW_REQUEST_INVALID', '/occurredAt')
    await nothingStored(t, service)
  })

  await t.test(
    'is accepted with any offset, and slightly in the future because of a fast clock',
    async (t) => {
      const taken: [string, string][] = [
        ['2026-05-04T11:59:00Z', '2026-05-04T11:59:00.000Z'],
        ['2026-05-04T11:59:00.123456789Z', '2026-05-04T11:59:00.123Z'],
        ['2026-05-04T13:59:00+02:00', '2026-05-04T11:59:00.000Z'],
        ['2026-05-04T06:29:00-05:30', '2026-05-04T11:59:00.000Z'],
        ['1999-12-31T23:59:59Z', '1999-12-31T23:59:59.000Z'],
        ['0001-01-01T00:00:00+23:59', '0000-12-31T00:01:00.000Z'],
        ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
        ['2026-05-04T12:00:00Z', '2026-05-04T12:00:00.000Z'],
        ['2026-05-04T12:00:01Z', '2026-05-04T12:00:00.000Z'],
        ['2026-05-04T12:05:00Z', '2026-05-04T12:00:00.000Z'],
        ['2026-05-04T14:05:00+02:00', '2026-05-04T12:00:00.000Z'],
      ]
      for (const [occurredAt, expected] of taken) {
        const { status, json } = await post(occurredAt)
        t.equal(status, 202, occurredAt)
        await service.ended(json.id)
        t.equal(json.occurredAt, expected)
        t.equal(json.acceptedAt, '2026-05-04T12:00:00.000Z')
      }
    },
  )

  await t.test('defaults to now', async (t) => {
    clock.advance(1_234)
    const { json } = await post(undefined)
    t.equal(json.occurredAt, '2026-05-04T12:00:01.234Z')
  })
})
