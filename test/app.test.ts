import t from 'tap'
import { buildApp } from '../src/app.ts'
import { loadConfig } from '../src/config/load-config.ts'
import { startSandbox } from '../src/sandbox/sandbox.ts'
import { configurationFile } from './support/config-file.ts'
import { rejection } from './support/events.ts'
import { environmentFor, startService } from './support/service.ts'

t.test('without any optional part, a logout revokes the tokens of the user', async (t) => {
  const { sandbox, call, userWithTokens, revoke } = await startService(t, { parts: {} })
  const user = userWithTokens(3)
  t.match(await revoke({ userId: user.id }), { status: 'completed', tokens: { revoked: 3 }, verified: true })
  t.same(sandbox.tenant.tokensOf(user.id), [])
  t.equal((await call('POST', '/sources/any/events')).status, 404)
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
})
