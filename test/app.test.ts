import t from 'tap'
import { buildApp } from '../src/app.ts'
import { loadConfig } from '../src/config/load-config.ts'
import { startSandbox } from '../src/sandbox/sandbox.ts'
import { configurationFile } from './support/config-file.ts'
import { rejection } from './support/events.ts'
import { RECEIVER_SECRET } from './support/receivers.ts'
import { environmentFor, startService } from './support/service.ts'

t.test('without any optional part, a logout revokes the tokens of the user', async (t) => {
  const { sandbox, call, userWithTokens, revoke } = await startService(t, { parts: {} })
  const user = userWithTokens(3)
  t.match(await revoke({ userId: user.id }), { status: 'completed', tokens: { revoked: 3 }, verified: true })
  t.same(sandbox.tenant.tokensOf(user.id), [])
  t.equal((await call('POST', '/sources/any/events')).status, 404)
  t.equal((await call('GET', '/receivers')).status, 404)
  const named = await call('POST', '/logout-hook', { body: { userId: user.id, notify: 'siem' } })
  t.match(named, { status: 400, json: { code: 'CURFEW_UNKNOWN_RECEIVER' } })
  t.match((await call('PUT', '/sessions/s1', { body: { userId: user.id } })).json, {
    code: 'CURFEW_REQUEST_INVALID',
    errors: [{ expected: /none is configured$/ }],
  })
})

t.test('a configuration that needs a missing part is rejected', async (t) => {
  const sandbox = await startSandbox()
  t.teardown(() => sandbox.close())
  const client = sandbox.tenant.addClient()
  const environment = environmentFor(sandbox, client, 'postgres://127.0.0.1/curfew')
  const config = await loadConfig(environment)
  t.match(await rejection(buildApp(config)), { code: 'CURFEW_CONFIG_INVALID', message: /postgres:/ })
  const { path } = configurationFile(t, { sources: [{ name: 'users', kind: 'clerk', secret: 'x' }] })
  t.match(await rejection(loadConfig({ ...environment, CONFIG_FILE: path })), {
    code: 'CURFEW_CONFIG_INVALID',
    members: [{ member: /^CONFIG_FILE \/sources\/0/, expected: /this build has none/ }],
  })
  const receiver = { name: 'siem', url: 'https://siem.example.com/', secret: RECEIVER_SECRET }
  const { path: file } = configurationFile(t, { receivers: [receiver] })
  const notifying = await loadConfig({ ...environment, CONFIG_FILE: file })
  t.match(await rejection(buildApp(notifying)), { code: 'CURFEW_CONFIG_INVALID', message: /receivers/ })
})
