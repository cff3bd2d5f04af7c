import t from 'tap'
import { retryAfterMs } from '../../src/base/retry-after.ts'

const NOW = Date.parse('2026-11-21T12:00:00Z')

t.test('seconds and HTTP dates are parsed', async (t) => {
  t.equal(retryAfterMs('13', NOW), 13_000)
  t.equal(retryAfterMs(' 0 ', NOW), 0)
  t.equal(retryAfterMs('Sat, 21 Nov 2026 12:01:00 GMT', NOW), 60_000)
  t.equal(retryAfterMs('Saturday, 21-Nov-26 12:01:00 GMT', NOW), 60_000)
  t.equal(retryAfterMs('Sat, 21 Nov 2026 11:00:00 GMT', NOW), 0, 'a date that is past')
})

t.test('a number that is too large becomes the longest wait', async (t) => {
  t.equal(retryAfterMs('99999999999', NOW), 99_999_999_999_000)
  t.equal(retryAfterMs('9'.repeat(400), NOW), Number.MAX_SAFE_INTEGER)
})

t.test('invalid values are ignored', async (t) => {
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
    'Sat, 21 Nov 2026 12:01:00 +0100',
    'Sat, 21 Nov 2026 12:01',
    '2026-11-21T12:01:00Z',
  ]) {
    t.equal(retryAfterMs(header, NOW), null, String(header))
  }
})
