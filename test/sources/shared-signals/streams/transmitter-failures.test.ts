import t from 'tap'
import { fakeClock } from '../../../support/clock.ts'
import { nextPause } from '../../../support/stream-time.ts'
import { checkOf, keepStreamAt, POLL, startTransmitter } from '../../../support/transmitter.ts'

t.test('a failed transmitter is retried, and the problem is reported without addresses', async (t) => {
  const clock = fakeClock()
  const fake = await startTransmitter(t)
  const other = await startTransmitter(t)
  const configuration = '/.well-known/ssf-configuration'
  const endpoints = { issuer: fake.issuer.url, configuration_endpoint: `${fake.issuer.url}/streams` }
  /** An unmarked stream at a transmitter that allows no other. */
  const onlyOne = (members: object) => {
    const stream = fake.stream('s', { description: undefined, ...members })
    fake.override('/streams', ({ method }) =>
      method === 'POST' ? { status: 409 } : { status: 200, body: [stream] },
    )
  }
  const table: [detail: RegExp, break_: () => void][] = [
    [/the status 401/, () => fake.override('/streams', { status: 401 })],
    [
      /the status 302 \(list streams\)/,
      () => fake.override('/streams', { status: 302, headers: { location: `${other.issuer.url}/streams` } }),
    ],
    [/expected format/, () => fake.override('/streams', { status: 200, body: { streams: 'x' } })],
    [/not JSON|expected format/, () => fake.override('/streams', { status: 200 })],
    [/another issuer than the entry \(iss\)/, () => onlyOne({ iss: other.issuer.url })],
    [/audience/, () => onlyOne({ iss: fake.issuer.url, aud: 'other' })],
    [
      /another origin/,
      () =>
        onlyOne({
          iss: fake.issuer.url,
          delivery: { method: POLL, endpoint_url: `${other.issuer.url}/poll` },
        }),
    ],
    [
      /another origin/,
      () =>
        fake.issuer.answerJson(configuration, {
          ...endpoints,
          configuration_endpoint: `${other.issuer.url}/streams`,
        }),
    ],
    [
      /another issuer/,
      () => fake.issuer.answerJson(configuration, { ...endpoints, issuer: other.issuer.url }),
    ],
    [
      /The response has the status 302/,
      () =>
        fake.issuer.answer(
          configuration,
          (_, response) => void response.writeHead(302, { location: other.issuer.url }).end(),
        ),
    ],
  ]
  fake.override('/streams', { status: 503 })
  const { service } = await keepStreamAt(t, fake, { clock, random: () => 0.5 })
  const problem = async (pattern: RegExp) => {
    await nextPause(clock)
    const { detail } = await checkOf(service)
    t.match(detail, pattern)
    t.notMatch(detail, /127\.0\.0\.1|http/)
  }
  await problem(/the status 503/)
  for (const [detail, break_] of table) {
    break_()
    clock.advance(await nextPause(clock))
    await problem(detail)
  }
  t.same(other.asked, [], 'no request was sent elsewhere')
  t.notOk(other.issuer.asked('/streams') || other.issuer.asked('/poll'))
})
