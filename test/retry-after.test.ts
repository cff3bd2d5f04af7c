import t from 'tap'
import { retryAfterMs } from '../src/retry-after.ts'

const NOW = Date.parse('2026-11-21T12:00:00Z')

t.test('seconds and HTTP dates are understood', async (t) => {
  t.equal(retryAfterMs('13', NOW), 13_000)
  t.equal(retryAfterMs(' 0 ', NOW), 0)
  t.equal(retryAfterMs('Sat, 21 Nov 2026 12:01:00 GMT', NOW), 60_000)
  t.equal(retryAfterMs('Saturday, 21-Nov-26 12:01:00 GMT', NOW), 60_000)
  t.equal(retryAfterMs('Sat, 21 Nov 2026 11:00:00 GMT', NOW), 0, 'a date that is past')
})

t.test('nonsense is nothing', async (t) => {
  for (const header of [
    undefined,
    '',
    '-1',
    '1.5',
    'soon',
    '1e3',
    '0x10',
    '12 s',
    'Sat, 99 Nov 2026',
    '9'.repeat(30),
  ]) {
    t.equal(retryAfterMs(header, NOW), null, String(header))
  }
})
