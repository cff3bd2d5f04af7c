import { createServer } from 'node:http'
import t from 'tap'
import { listen } from '../support/listen.ts'
import { runCommand } from '../support/process.ts'

t.test('status says that older failures are not counted', async (t) => {
  const error = { code: 'CURFEW_QLIK_FORBIDDEN' }
  const answers: Record<string, object> = {
    '/health/ready': { status: 'ready' },
    '/status': { tenants: [] },
    '/revocations': { items: [{ error }, { error }], nextCursor: '018f0000-0000-7000-8000-000000000007' },
  }
  const server = createServer((request, response) => {
    const { pathname } = new URL(String(request.url), 'http://curfew')
    response.setHeader('content-type', 'application/json')
    response.end(pathname === '/metrics' ? '' : JSON.stringify(answers[pathname]))
  })
  t.teardown(() => server.close())
  const environment = { CURFEW_URL: `http://127.0.0.1:${await listen(server)}`, CURFEW_API_KEY: 'k' }
  t.match(await runCommand(['status'], environment), {
    code: 0,
    stdout: /\nFailed \(only the newest 2\):\n {2}CURFEW_QLIK_FORBIDDEN: 2\n/,
  })
  t.match(JSON.parse((await runCommand(['status', '--json'], environment)).stdout), {
    failures: { CURFEW_QLIK_FORBIDDEN: 2 },
    failuresAreComplete: false,
  })
})
