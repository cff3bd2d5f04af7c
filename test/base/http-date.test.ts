import fc from 'fast-check'
import t from 'tap'
import { httpDateMs } from '../../src/base/http-date.ts'

const NOW = Date.parse('2026-11-21T12:00:00Z')
const AT = Date.parse('1994-11-06T08:49:37Z')

t.test('the three formats of RFC 9110 are parsed', async (t) => {
  t.equal(httpDateMs('Sun, 06 Nov 1994 08:49:37 GMT', NOW), AT)
  t.equal(httpDateMs('Sunday, 06-Nov-94 08:49:37 GMT', NOW), AT)
  t.equal(httpDateMs('Sun Nov  6 08:49:37 1994', NOW), AT)
})

t.test('a two-digit year is at most 50 years in the future', async (t) => {
  t.equal(httpDateMs('Saturday, 21-Nov-76 12:00:00 GMT', NOW), Date.parse('2076-11-21T12:00:00Z'))
  t.equal(httpDateMs('Monday, 21-Nov-77 12:00:00 GMT', NOW), Date.parse('1977-11-21T12:00:00Z'))
})

t.test('a leap second is the first second of the next minute', async (t) => {
  t.equal(httpDateMs('Sat, 31 Dec 2016 23:59:60 GMT', NOW), Date.parse('2017-01-01T00:00:00Z'))
})

t.test('any other text is rejected', async (t) => {
  for (const text of [
    '',
    '2',
    '-1',
    '2026-11-21T12:00:00Z',
    'Sat, 21 Nov 2026 12:00:00',
    'Sat, 21 Nov 2026 12:00:00 +0200',
    'Sat, 21 Nov 2026 12:00:00 UTC',
    'sat, 21 nov 2026 12:00:00 gmt',
    'Sat, 1 Nov 2026 12:00:00 GMT',
    'Sat, 21 Nov 26 12:00:00 GMT',
    'Saturday, 21-Nov-2026 12:00:00 GMT',
    'Sat, 31 Feb 2026 12:00:00 GMT',
    'Sat, 00 Nov 2026 12:00:00 GMT',
    'Sat, 21 Nov 2026 24:00:00 GMT',
    'Sat, 21 Nov 2026 12:60:00 GMT',
    'Sat, 21 Nov 2026 12:00:61 GMT',
    'Sat, 21 Nov 2026 12:00:00 GMT, Sat, 21 Nov 2026 12:00:00 GMT',
    'Sat, 21 Nov 2026 12:00:00 GMT\n',
  ]) {
    t.equal(httpDateMs(text, NOW), null, JSON.stringify(text))
  }
})

t.test('every UTC string of JavaScript is parsed', async (t) => {
  const seconds = fc.integer({ min: 0, max: Date.parse('9999-12-31T23:59:59Z') / 1000 })
  fc.assert(
    fc.property(
      seconds,
      (second) => httpDateMs(new Date(second * 1000).toUTCString(), NOW) === second * 1000,
    ),
  )
  t.pass('100 dates')
})
