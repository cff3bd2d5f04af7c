import { request } from 'node:http'
import t from 'tap'
import type { SandboxCall } from '../../src/sandbox/call-log.ts'
import { type OpenSandbox, openSandbox, stoppedClock } from './open-sandbox.ts'

const LIST = '/api/v1/oauth-tokens'

/** A user with one token, and a function that revokes it. */
function someToken({ tenant }: OpenSandbox) {
  const [token] = tenant.issueTokens(tenant.addUser().id)
  if (token === undefined) throw new Error('no token was issued')
  return { token, path: `${LIST}/${token.id}` }
}

/** Resolves with the error of a call without a response. */
async function errorOf(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call
    return undefined
  } catch (error) {
    return (error as { cause?: { code?: string } }).cause?.code
  }
}

t.test('a status has its documented body, or another, and headers', async (t) => {
  const { call, tenant } = await openSandbox(t)
  tenant.order({ kind: 'status', status: 502 })
  t.match((await call('GET', LIST)).body, {
    errors: [{ code: 'HTTP-502', title: 'Bad Gateway', status: '502' }],
  })
  tenant.order({ kind: 'status', status: 404 })
  t.match((await call('GET', '/api/v1/users/me')).body, { errors: [{ status: 404 }] })
  tenant.order({ kind: 'status', status: 503, headers: { 'retry-after': '7' }, body: { maintenance: true } })
  const { headers, body } = await call('GET', LIST)
  t.equal(headers.get('retry-after'), '7')
  t.strictSame(body, { maintenance: true })
})

t.test('a status replaces the effect, or follows it', async (t) => {
  const sandbox = await openSandbox(t)
  const { token, path } = someToken(sandbox)
  sandbox.tenant.order({ kind: 'status', status: 500 })
  t.equal((await sandbox.call('DELETE', path)).status, 500)
  t.equal(token.revoked, false)
  sandbox.tenant.order({ kind: 'status', status: 500, takesEffect: true })
  const { status, body } = await sandbox.call('DELETE', path)
  t.equal(status, 500)
  t.match(body, { errors: [{ status: '500' }] })
  t.equal(token.revoked, true)
})

t.test('the connection is reset before the effect, or after it', async (t) => {
  const sandbox = await openSandbox(t)
  const { token, path } = someToken(sandbox)
  sandbox.tenant.order({ kind: 'reset', route: 'revoke' })
  t.equal(await errorOf(sandbox.call('DELETE', path)), 'ECONNRESET')
  t.equal(token.revoked, false)
  sandbox.tenant.order({ kind: 'reset', route: 'revoke', takesEffect: true })
  t.equal(await errorOf(sandbox.call('DELETE', path)), 'ECONNRESET')
  t.equal(token.revoked, true)
  t.match(sandbox.tenant.calls, [
    { route: 'revoke', status: null, fault: 'reset' },
    { route: 'revoke', status: null, fault: 'reset' },
  ])
})

t.test('a call hangs, before or after its effect, until the caller gives up', async (t) => {
  const sandbox = await openSandbox(t)
  const { token, path } = someToken(sandbox)
  for (const takesEffect of [false, true]) {
    sandbox.tenant.order({ kind: 'hang', takesEffect })
    const caller = new AbortController()
    const ended = new Promise<SandboxCall>((resolve) => {
      const stop = sandbox.tenant.onCall((phase, call) => {
        if (phase === 'arrived') return setImmediate(() => caller.abort())
        stop()
        resolve(call)
      })
    })
    const headers = { authorization: `Bearer ${sandbox.accessToken}` }
    const call = fetch(sandbox.url + path, { method: 'DELETE', headers, signal: caller.signal })
    await t.rejects(call, { name: 'AbortError' })
    t.match(await ended, { route: 'revoke', status: null, fault: 'hang' })
    t.equal(token.revoked, takesEffect)
  }
})

t.test('a hanging call does not keep the sandbox from closing', async (t) => {
  const sandbox = await openSandbox(t)
  sandbox.tenant.order({ kind: 'hang' })
  const arrived = new Promise((resolve) => sandbox.tenant.onCall(resolve))
  const call = errorOf(sandbox.call('GET', LIST))
  await arrived
  await sandbox.close()
  t.match(await call, /UND_ERR_SOCKET|ECONNRESET/)
})

t.test('a 429 has Retry-After in seconds, as a date, or not at all', async (t) => {
  const clock = stoppedClock(Date.parse('2026-11-21T12:00:00.500Z'))
  const { call, tenant } = await openSandbox(t, { now: clock.now })
  const retryAfter = async (fault: Parameters<typeof tenant.order>[0]) => {
    tenant.order(fault)
    const { status, headers, body } = await call('GET', LIST)
    t.equal(status, 429)
    t.match(body, { errors: [{ code: 'HTTP-429', detail: /You need to wait \d+ seconds/ }] })
    return headers.get('retry-after')
  }
  t.equal(await retryAfter({ kind: 'rate-limited' }), '13')
  t.equal(await retryAfter({ kind: 'rate-limited', seconds: 86_400 }), '86400')
  t.equal(await retryAfter({ kind: 'rate-limited', retryAfter: 'date' }), 'Sat, 21 Nov 2026 12:00:14 GMT')
  t.equal(await retryAfter({ kind: 'rate-limited', retryAfter: 'missing' }), null)
  t.equal(await retryAfter({ kind: 'status', status: 429 }), null)
  t.equal((await call('GET', LIST)).status, 200)
})

t.test('a 429 with `blocks` closes the tier for the announced seconds', async (t) => {
  const clock = stoppedClock()
  const { call, tenant } = await openSandbox(t, { now: clock.now })
  tenant.order({ kind: 'rate-limited', seconds: 20, blocks: true })
  t.equal((await call('GET', LIST)).status, 429)
  clock.time += 19_000
  t.equal((await call('GET', LIST)).headers.get('retry-after'), '1')
  clock.time += 1_000
  t.equal((await call('GET', LIST)).status, 200)
})

t.test('a redirect points to another host', async (t) => {
  const { call, tenant } = await openSandbox(t)
  tenant.order({ kind: 'redirect' })
  const { status, headers } = await call('GET', LIST)
  t.equal(status, 302)
  t.equal(headers.get('location'), 'https://elsewhere.example.invalid/')
  tenant.order({ kind: 'redirect', status: 308, location: '/login', takesEffect: true })
  const permanent = await call('GET', LIST)
  t.equal(permanent.status, 308)
  t.equal(permanent.body, null)
})

t.test('JSON is cut off', async (t) => {
  const { call, tenant } = await openSandbox(t)
  tenant.order({ kind: 'broken-json', times: 2 })
  await t.rejects(call('GET', LIST), SyntaxError)
  await t.rejects(call('DELETE', `${LIST}/unknown`), SyntaxError)
})

t.test('JSON has another shape, also where no body is expected', async (t) => {
  const sandbox = await openSandbox(t)
  const { token, path } = someToken(sandbox)
  sandbox.tenant.order({ kind: 'wrong-schema' })
  t.strictSame((await sandbox.call('GET', LIST)).body, { data: 'not a list' })
  sandbox.tenant.order({ kind: 'wrong-schema', body: [] })
  const { status, body } = await sandbox.call('DELETE', path)
  t.strictSame([status, body], [200, []])
  t.equal(token.revoked, true, 'the call has taken place')
})

t.test('a body can be huge', async (t) => {
  const { url, accessToken, tenant } = await openSandbox(t)
  tenant.order({ kind: 'huge-body', bytes: 1_000_000 })
  const answer = await fetch(url + LIST, { headers: { authorization: `Bearer ${accessToken}` } })
  const text = await answer.text()
  t.ok(text.length > 1_000_000)
  t.equal(JSON.parse(text).data.length, 1)
})

t.test('a body can trickle', async (t) => {
  const { url, accessToken, tenant } = await openSandbox(t)
  tenant.order({ kind: 'trickle', chunkBytes: 50, intervalMs: 1 })
  const answer = await fetch(url + LIST, { headers: { authorization: `Bearer ${accessToken}` } })
  const sizes: number[] = []
  const chunks = []
  for await (const chunk of answer.body ?? []) {
    sizes.push(chunk.length)
    chunks.push(chunk)
  }
  t.ok(sizes.length > 3, `${sizes.length} pieces`)
  t.equal(JSON.parse(Buffer.concat(chunks).toString()).data.length, 1)
})

t.test('a trickling body ends with its connection', async (t) => {
  const { url, accessToken, tenant } = await openSandbox(t)
  tenant.order({ kind: 'trickle', intervalMs: 60_000 })
  const ended = new Promise<number | null>((resolve) => {
    tenant.onCall((phase, call) => phase === 'answered' && resolve(call.status))
  })
  const headers = { authorization: `Bearer ${accessToken}` }
  const call = request(url + LIST, { headers }, () => call.destroy())
  call.on('error', () => {}).end()
  tenant.onCall((phase) => phase === 'arrived' && setImmediate(() => call.destroy()))
  t.equal(await ended, null)
})

t.test('the next page is always the first one', async (t) => {
  const { call, tenant, url } = await openSandbox(t)
  const user = tenant.addUser()
  const ids = tenant.issueTokens(user.id, 3).map(({ id }) => id)
  tenant.order({ kind: 'endless-next', route: 'list', times: 3 })
  let path = `${LIST}?userId=${user.id}`
  for (let count = 0; count < 3; count += 1) {
    const { body } = await call('GET', path)
    t.strictSame(
      body.data.map((row: { id: string }) => row.id),
      ids,
    )
    t.not(new URL(body.links.next.href).searchParams.get('page'), null)
    path = body.links.next.href.replace(url, '')
  }
  t.equal((await call('GET', path)).body.links.next, undefined)
})
