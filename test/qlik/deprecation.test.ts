import fc from 'fast-check'
import t from 'tap'
import { readDeprecation } from '../../src/qlik/deprecation.ts'

const NOW = Date.parse('2026-11-21T12:00:00Z')
const SUNSET = 'Tue, 30 Nov 2027 00:00:00 GMT'
const SUNSET_AT = Date.parse('2027-11-30T00:00:00Z')
const NOTHING = { since: null, sunset: null, link: null }
const PAGE = 'https://qlik.dev/apis/rest/core/oauth-tokens/'

t.test('the headers of a response announce the end of an endpoint', async (t) => {
  for (const [headers, expected] of [
    [{}, null],
    [{ 'content-type': 'application/json', link: `<${PAGE}>` }, null],
    [{ deprecation: '' }, null],
    [{ deprecation: 'false' }, null],
    [{ deprecation: '?0' }, null],
    [{ deprecation: 'true' }, NOTHING],
    [{ deprecation: ' ?1 ' }, NOTHING],
    [{ deprecation: 'whatever this is' }, NOTHING],
    [{ deprecation: '@1688169599' }, { ...NOTHING, since: 1_688_169_599_000 }],
    [{ deprecation: '@99999999999999' }, NOTHING],
    [{ deprecation: '@1e9' }, NOTHING],
    [{ deprecation: 'Sat, 21 Nov 2026 12:00:00 GMT' }, { ...NOTHING, since: NOW }],
    [{ deprecation: ['true', 'false'] }, NOTHING],
    [{ sunset: SUNSET }, { ...NOTHING, sunset: SUNSET_AT }],
    [{ sunset: '2027-11-30' }, NOTHING],
    [
      { deprecation: 'false', sunset: SUNSET },
      { ...NOTHING, sunset: SUNSET_AT },
    ],
    [{ 'qlik-deprecation': 'x' }, NOTHING],
    [{ 'x-qlik-api-deprecated': 'x' }, NOTHING],
    [
      { 'qlik-sunset-date': 'x', sunset: SUNSET },
      { ...NOTHING, sunset: SUNSET_AT },
    ],
    [{ 'x-deprecation-of-a-proxy': 'x', 'qlik-api-version': '2026-11' }, null],
  ] as const) {
    t.strictSame(readDeprecation(headers, NOW), expected, JSON.stringify(headers))
  }
})

t.test('a link is accepted only if it leads to a page of Qlik', async (t) => {
  for (const [link, taken] of [
    [`<${PAGE}>; rel="deprecation"; type="text/html"`, PAGE],
    [
      '<https://elsewhere.example/>; rel="sunset", <https://qlik.dev/changelog/1>',
      'https://qlik.dev/changelog/1',
    ],
    ['<https://help.qlik.com/a?b=c>', 'https://help.qlik.com/a?b=c'],
    ['<http://qlik.dev/>', null],
    ['<https://qlik.dev.example/>', null],
    ['<https://notqlik.dev/>', null],
    ['<https://qlik.dev:8443/>', null],
    ['<https://user@qlik.dev/>', null],
    ['<https://:secret@qlik.dev/>', null],
    [`<https://qlik.dev/${'a'.repeat(300)}>`, null],
    [`${'<'.repeat(5_000)}<${PAGE}>`, null],
    ['<javascript:alert(1)>', null],
    ['<https://qlik.dev/ü\u0001a>', 'https://qlik.dev/%C3%BC%01a'],
    ['https://qlik.dev/', null],
  ] as const) {
    t.equal(readDeprecation({ deprecation: 'true', link }, NOW)?.link, taken, link.slice(0, 80))
  }
})

t.test('whatever the headers contain, times are valid and the link is bounded', async (t) => {
  const text = fc.oneof(
    fc.string(),
    fc.bigInt({ min: -(10n ** 17n), max: 10n ** 17n }).map((seconds) => `@${seconds}`),
    fc.webUrl().map((url) => `<${url}>`),
    fc.webPath().map((path) => `<https://qlik.dev${path}>`),
  )
  const headers = fc.record({ deprecation: text, sunset: text, link: text })
  fc.assert(
    fc.property(headers, (all) => {
      const { since, sunset, link } = readDeprecation(all, NOW) ?? NOTHING
      for (const at of [since, sunset]) if (at !== null) new Date(at).toISOString()
      return link === null || /^https:\/\/[\x21-\x7e]{1,1000}$/.test(link)
    }),
    { numRuns: 500 },
  )
  t.pass('500 answers')
})
