import t, { type Test } from 'tap'
import { configurationFile, entryFor } from '../support/config-file.ts'
import { KEY } from '../support/configuration.ts'
import { isProblem } from '../support/problems.ts'
import { API_KEY, OTHER_API_KEY, type Service, startService } from '../support/service.ts'

interface ServerSentEvent {
  id: string | undefined
  event: string | undefined
  data: Record<string, unknown>
}

/** Connects to the stream, and returns its events one after the other; the end of the stream ends it. */
async function connect(t: Test, { url }: Service, headers: Record<string, string> = {}) {
  const controller = new AbortController()
  t.teardown(() => controller.abort())
  const response = await fetch(`${url}/events`, {
    headers: { authorization: `Bearer ${API_KEY}`, ...headers },
    signal: controller.signal,
  })
  async function* events(): AsyncGenerator<ServerSentEvent> {
    let text = ''
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const parts = `${text}${chunk}`.split('\n\n')
      text = parts.pop() ?? ''
      for (const part of parts) {
        const fields = new Map(part.split('\n').map((line) => line.split(': ', 2) as [string, string]))
        const data = part.split('\ndata: ')[1]
        if (data !== undefined)
          yield { id: fields.get('id'), event: fields.get('event'), data: JSON.parse(data) }
      }
    }
  }
  return { response, events: events(), close: () => controller.abort() }
}

async function upTo(events: AsyncGenerator<ServerSentEvent>, last: string): Promise<ServerSentEvent[]> {
  const all: ServerSentEvent[] = []
  for (let next = await events.next(); !next.done; next = await events.next()) {
    all.push(next.value)
    if (next.value.event === last) break
  }
  return all
}

t.test(
  'the stream shows what happens to a revocation, and continues after the last received event',
  async (t) => {
    const service = await startService(t)
    service.userWithTokens(2, { id: 'u1' })
    const { response, events, close } = await connect(t, service)
    t.match(response.headers.get('content-type'), /^text\/event-stream/)
    t.equal(response.headers.get('cache-control'), 'no-store')
    const { id } = await service.revoke({ userId: 'u1' })
    const all = await upTo(events, 'revocation-verified')
    t.same(
      all.map(({ event }) => event),
      ['signal-accepted', 'tokens-revoked', 'revocation-ended', 'revocation-verified'],
    )
    t.match(all[0]?.data, {
      tenant: 'default',
      revocation: id,
      by: { kind: 'api-key' },
      details: { reason: 'logout' },
    })
    t.match(all[1]?.data, { details: { tokens: 2 } })
    close()
    const again = await connect(t, service, { 'last-event-id': String(all[1]?.id) })
    t.same(await upTo(again.events, 'revocation-verified'), all.slice(2))
  },
)

t.test('a key sees only events of its tenants', async (t) => {
  const file = configurationFile(t, {
    tenants: [entryFor('acme'), entryFor('globex')],
    apiKeys: [{ key: KEY }, { key: `${KEY}-globex`, tenants: ['globex'] }],
  })
  const service = await startService(t, { environment: { CONFIG_FILE: file.path } })
  const { events } = await connect(t, service, { authorization: `Bearer ${KEY}-globex` })
  const headers = { authorization: `Bearer ${KEY}` }
  await service.call('POST', '/logout-hook', { headers, body: { userId: 'a' } })
  const { json } = await service.call('POST', '/logout-hook', {
    headers,
    body: { userId: 'b', tenant: 'globex' },
  })
  const [first] = await upTo(events, 'signal-accepted')
  t.match(first?.data, { tenant: 'globex', revocation: json.id })
})

t.test('a shutdown ends the stream', async (t) => {
  const service = await startService(t)
  const { events } = await connect(t, service)
  const ended = upTo(events, 'never')
  await service.app.close()
  t.same(await ended, [])
})

t.test('streams are limited, in total and for each key, and other requests continue', async (t) => {
  const service = await startService(t)
  // More would be refused as connections.
  const connections = Array.from({ length: 200 }, () => connect(t, service))
  const answered = await Promise.all(connections)
  const accepted = answered.filter(({ response }) => response.status === 200)
  t.equal(accepted.length, 30)
  const refused = answered.find(({ response }) => response.status !== 200)
  t.match(await refused?.response.json(), { code: 'CURFEW_OVERLOADED', detail: /of this API key/ })
  t.equal(refused?.response.headers.get('retry-after'), '60')
  const other = { authorization: `Bearer ${OTHER_API_KEY}` }
  const others = await Promise.all(Array.from({ length: 40 }, () => connect(t, service, other)))
  t.equal(others.filter(({ response }) => response.status === 200).length, 20)
  t.equal((await service.call('GET', '/status')).status, 200)
  for (const { close } of accepted) close()
  const again = async (): Promise<void> => {
    const { response } = await connect(t, service)
    if (response.status !== 200) await again()
  }
  await again()
})

t.test('invalid requests are refused', async (t) => {
  const service = await startService(t, { environment: { AUDIT_RETENTION_DAYS: '0' } })
  isProblem(t, await service.call('GET', '/events'), 'CURFEW_NO_AUDIT_TRAIL')
  const malformed = await service.call('GET', '/events', { headers: { 'last-event-id': 'x' } })
  isProblem(t, malformed, 'CURFEW_REQUEST_INVALID')
  const headers = { authorization: `Bearer ${API_KEY}` }
  const head = await fetch(`${service.url}/events`, { method: 'HEAD', headers })
  t.equal(head.status, 404)
})
