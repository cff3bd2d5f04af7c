import { gzipSync } from 'node:zlib'
import t from 'tap'
import { everyKind } from '../support/every-kind.ts'
import { startIssuer } from '../support/issuer.ts'
import { isProblem, nothingStored } from '../support/problems.ts'
import { sendRequest } from '../support/raw-http.ts'
import { API_KEY, startService } from '../support/service.ts'
import { startWithSources } from '../support/source-service.ts'
import { signed } from '../support/webhook.ts'

const GOOD = `Bearer ${API_KEY}`
const BAD = 'Bearer another-key-0123456789abcdef'
const BODY = '{"userId":"u1"}'

t.test('several Authorization headers are rejected on every route, in any order', async (t) => {
  const players = everyKind(await startIssuer(t))
  const service = await startWithSources(
    t,
    players.map(({ entry }) => entry),
  )
  const send = (method: string, path: string, values: string[], headers: object, body: string) =>
    sendRequest(
      service.url,
      method,
      path,
      { ...headers, authorization: values.join('\r\nauthorization: ') },
      body,
    )
  for (const values of [
    [GOOD, BAD],
    [BAD, GOOD],
    [GOOD, GOOD],
    [GOOD, ''],
  ]) {
    const headers = { 'content-type': 'application/json' }
    t.equal((await send('POST', '/logout-hook', values, headers, BODY)).status, 401)
    t.equal((await send('POST', '/logout-hook', values, { ...headers, ...signed(BODY) }, BODY)).status, 401)
    t.equal((await send('GET', '/revocations', values, {}, '')).status, 401)
    t.equal((await send('GET', '/metrics', values, {}, '')).status, 401)
    for (const { kind, path, sign } of players) {
      const request = await sign()
      const { authorization = BAD, ...others } = request.headers
      const { status } = await send('POST', path, [authorization, ...values], others, request.body)
      t.equal(status, 401, kind)
    }
  }
  await nothingStored(t, service)
})

t.test('compressed bodies are rejected before they are read', async (t) => {
  const players = everyKind(await startIssuer(t))
  const service = await startWithSources(
    t,
    players.map(({ entry }) => entry),
  )
  for (const encoding of ['gzip', 'GZIP', 'br', 'deflate', 'zstd', 'gzip, identity']) {
    const reply = await service.call('POST', '/logout-hook', {
      body: gzipSync(BODY),
      headers: { 'content-encoding': encoding },
    })
    isProblem(t, reply, 'CURFEW_CONTENT_ENCODING')
    t.equal(reply.headers.get('accept-encoding'), 'identity')
  }
  for (const { kind, path, sign } of players) {
    const { body, headers } = await sign()
    const reply = await service.call('POST', path, {
      body: gzipSync(body),
      headers: { authorization: '', ...headers, 'content-encoding': 'gzip' },
    })
    t.equal(reply.status, 415, kind)
  }
  await nothingStored(t, service)
  const plain = { body: BODY, headers: { 'content-encoding': 'identity' } }
  t.equal((await service.call('POST', '/logout-hook', plain)).status, 202)
})

t.test('one Authorization header is accepted beside a signature', async (t) => {
  const service = await startService(t)
  const headers = signed(BODY)
  t.equal((await service.call('POST', '/logout-hook', { body: BODY, headers })).status, 202)
})
