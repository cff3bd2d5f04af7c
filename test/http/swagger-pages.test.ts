import t from 'tap'
import { isProblem } from '../support/problems.ts'
import { sendRequest } from '../support/raw-http.ts'
import { startService } from '../support/service.ts'

t.test('a path that names no page is not found, and reaches no file', async (t) => {
  const { url, logLines } = await startService(t)
  for (const path of [
    '/docs/static/%2e%2e/package.json',
    '/docs/static/../package.json',
    '/docs/static/%00',
    '/docs/static/%2Fetc%2Fpasswd',
    '/docs/static/',
    '/docs/static',
    `/docs/static/${'x'.repeat(300)}`,
    '/docs/__proto__',
    '/docs/constructor',
  ])
    t.equal((await sendRequest(url, 'GET', path)).status, 404, path)
  t.same(
    logLines.filter((line) => JSON.parse(line).level >= 40),
    [],
  )
})

t.test('a page is not sent again to a browser that has it', async (t) => {
  const { call } = await startService(t)
  const path = '/docs/static/swagger-ui.css'
  const { status, headers } = await call('GET', `${path}?version=1`)
  t.equal(status, 200)
  t.match(headers.get('content-type'), /^text\/css/)
  const etag = headers.get('etag') ?? ''
  t.match(await call('GET', path, { headers: { 'if-none-match': etag } }), { status: 304, text: '' })
  t.match(await call('HEAD', path), { status: 200, text: '' })
  const whole = await call('GET', path, { headers: { range: 'bytes=0-9,5-20' } })
  t.equal(whole.status, 200, 'ranges are ignored (RFC 9110, section 14.2)')
  t.equal(whole.headers.get('accept-ranges'), null)
  t.ok(whole.text.length > 100_000)
  isProblem(t, await call('GET', '/docs/nothing'), 'CURFEW_NOT_FOUND')
})
