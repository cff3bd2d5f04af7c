import t from 'tap'
import { nothingStored } from '../../support/problems.ts'
import { startWithSources } from '../../support/source-service.ts'

const ISSUER = { issuer: 'http://127.0.0.1:9', audience: 'curfew' }
const SOURCES = [
  { name: 'vendor', kind: 'okta-event-hook', secret: 'a-shared-secret-of-32-characters' },
  { name: 'token', kind: 'global-token-revocation', ...ISSUER },
  { name: 'keys', kind: 'fusionauth', jwksUri: 'http://127.0.0.1:9/jwks' },
]

t.test('an unsupported content type is reported only after the sender is authenticated', async (t) => {
  const service = await startWithSources(t, SOURCES)
  for (const type of ['garbage', 'application/', 'text', '/', 'application/json;']) {
    const post = (path: string) =>
      service.call('POST', `/sources/${path}`, {
        headers: { authorization: '', 'content-type': type },
        body: '{}',
      })
    t.equal((await post('vendor/webhook')).status, 401, type)
    t.equal((await post('token/global-token-revocation')).status, 401, type)
    t.equal((await post('nobody/webhook')).status, 404, type)
  }
  const { text } = await service.call('GET', '/metrics')
  for (const name of ['vendor', 'token'])
    t.match(text, `curfew_signals_total{source="${name}",result="rejected"} 5`)
  await nothingStored(t, service)
})

t.test('the log line of a failure names its source', async (t) => {
  const service = await startWithSources(t, SOURCES)
  const token = `${Buffer.from('{"alg":"RS256","kid":"k1"}').toString('base64url')}.e30.AAAA`
  const headers = { authorization: '', 'x-fusionauth-signature-jwt': token }
  const { status } = await service.call('POST', '/sources/keys/webhook', { headers, body: {} })
  t.equal(status, 503)
  const lines = service.logLines.map((line) => JSON.parse(line))
  t.match(
    lines.find(({ msg }) => msg === 'a request failed'),
    { source: 'keys', code: 'CURFEW_KEYS_UNAVAILABLE' },
  )
})

t.test('a body that is too large counts for its source; without a source, no body is read', async (t) => {
  const service = await startWithSources(t, SOURCES)
  const body = 'x'.repeat(1024 * 1024 + 1)
  for (const [path, status] of [
    ['vendor/webhook', 413],
    ['token/global-token-revocation', 413],
    ['nobody/webhook', 404],
    ['token/webhook', 404],
  ] as const)
    t.equal((await service.call('POST', `/sources/${path}`, { body })).status, status, path)
  const { text } = await service.call('GET', '/metrics')
  for (const [name, rejected] of [
    ['vendor', 1],
    ['token', 2],
  ])
    t.match(text, `curfew_signals_total{source="${name}",result="rejected"} ${rejected}`)
})
