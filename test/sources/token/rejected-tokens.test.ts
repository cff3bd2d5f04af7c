import t from 'tap'
import { WARNING_EVERY_MS } from '../../../src/http/report-rejection.ts'
import { fakeClock } from '../../support/clock.ts'
import { CLIENT, startLogoutService } from '../../support/logout-service.ts'
import { rejectionLines } from '../../support/rejections.ts'

const MESSAGE = 'a request was rejected'

t.test('a rejected token is logged with what was expected and received, once a minute', async (t) => {
  const clock = fakeClock()
  const service = await startLogoutService(t, { clock })
  const warnings = () =>
    service.logLines.filter((line) => line.includes(MESSAGE)).map((line) => JSON.parse(line))
  const wrongAudience = () => service.token({ aud: ['other', 'portal\u001b[2J'], sub: 'ann' }, { typ: 'JWT' })
  for (const _ of [1, 2, 3]) await service.logout(await wrongAudience())
  t.equal(warnings().length, 1)
  t.match(warnings()[0], {
    level: 40,
    source: 'op',
    code: 'CURFEW_TOKEN_AUDIENCE_WRONG',
    problem: /audience/,
    action: /audience/,
    expected: { iss: service.issuer.url, aud: CLIENT, typ: [null, 'jwt', 'logout+jwt'], kid: ['k1'] },
    received: { iss: service.issuer.url, aud: ['other', 'portal\\u001b[2J'], typ: 'JWT', kid: 'k1' },
  })
  t.notMatch(service.logLines.join(''), /"ann"/)

  await service.logout(await service.token({ iss: 'https://other.example' }))
  t.equal(warnings().length, 2, 'another reason')
  clock.advance(WARNING_EVERY_MS)
  await service.logout(await wrongAudience())
  t.match(warnings()[2], { leftOut: 2 })
})

t.test('anything may be received', async (t) => {
  const service = await startLogoutService(t, { clock: fakeClock() })
  const last = () => JSON.parse(String(service.logLines.findLast((line) => line.includes(MESSAGE))))
  await service.logout('no token')
  t.match(last(), { code: 'CURFEW_TOKEN_MALFORMED', received: null })
  const aud = Array.from({ length: 50 }, () => 'x'.repeat(1_000))
  await service.logout(await service.token({ aud: aud.slice(0, 11) }))
  t.match(last(), { code: 'CURFEW_TOKEN_AUDIENCE_WRONG' })
  t.ok(JSON.stringify(last().received).length < 4_000)
  await service.logout(await service.token({ iss: { a: 1 }, aud: [['a'], 5, null] as never }))
  t.match(last(), { received: { iss: 'object', aud: ['array', 'number', null] } })
})

t.test('a repeated token is a rejection, without comparison: it has all expected values', async (t) => {
  const service = await startLogoutService(t)
  const token = await service.token()
  await service.logout(token)
  t.same(rejectionLines(service), [])
  await service.logout(token)
  t.match(rejectionLines(service), [
    { code: 'CURFEW_TOKEN_REPLAYED', expected: undefined, received: undefined },
  ])
  t.match(await service.counts(), { 'op replayed': 1 })
  t.equal((await service.counts())['op rejected'], undefined)
})

t.test('the warning for a token without exp names the option', async (t) => {
  const service = await startLogoutService(t)
  await service.logout(await service.token({ exp: undefined }))
  t.match(service.logLines.join(''), /"problem":"[^"]*maxTokenAgeSeconds/)
})
