import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ConfigError, loadConfig } from '../../src/config/load-config.ts'
import { createReload } from '../../src/routes/reload.ts'
import { type ConfigurationFile, configurationFile, entryFor, sandboxTenant } from '../support/config-file.ts'
import { COMPLETE } from '../support/configuration.ts'
import { nextCall, rejection } from '../support/events.ts'
import { isProblem } from '../support/problems.ts'
import { API_KEY, OTHER_API_KEY, startService, temporaryFolder, WEBHOOK_SECRET } from '../support/service.ts'
import { vendorOf } from '../support/vendor-service.ts'
import { signed } from '../support/webhook.ts'

const NEW_KEY = 'new-key-0123456789abcdef'
const NEW_SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`
const withKey = (key: string) => ({ headers: { authorization: `Bearer ${key}` } })

/** A service with the tenants default and a, in a file that can be replaced. */
async function startWithFile(t: Test) {
  const a = await sandboxTenant(t, 'a')
  const file: ConfigurationFile = configurationFile(t, { tenants: [a.entry] })
  const service = await startService(t, { environment: { CONFIG_FILE: file.path } })
  const reload = () => service.call('POST', '/config/reload')
  const signalTo = (tenant: string) =>
    service.call('POST', '/logout-hook', { body: { userId: 'u1', tenant } })
  return { service, file, a, reload, signalTo }
}

t.test('tenants and senders are added and removed without a restart', async (t) => {
  const { service, file, a, reload, signalTo } = await startWithFile(t)
  const b = await sandboxTenant(t, 'b')
  isProblem(t, await signalTo('b'), 'CURFEW_UNKNOWN_TENANT')

  file.write({
    tenants: [a.entry, b.entry],
    apiKeys: [{ key: NEW_KEY, tenants: ['b'] }],
    webhookSecrets: [{ secret: NEW_SECRET, tenants: ['b'] }],
  })
  const added = await reload()
  t.equal(added.status, 200)
  t.match(added.json, { tenants: 3, added: 1, removed: 0, changed: 0 })
  b.sandbox.tenant.addUser({ id: 'u1' })
  t.match(await service.revoke({ userId: 'u1', tenant: 'b' }), { tenant: 'b', verified: true })
  const body = '{"userId":"u2"}'
  const headers = signed(body, { secret: NEW_SECRET })
  t.match((await service.call('POST', '/logout-hook', { body, headers })).json, { tenant: 'b' })
  t.equal((await service.call('GET', '/revocations', withKey(NEW_KEY))).status, 200)

  file.write({ tenants: [{ ...b.entry, concurrency: 2 }] })
  t.match((await reload()).json, { tenants: 2, added: 0, removed: 1, changed: 1 })
  isProblem(t, await signalTo('a'), 'CURFEW_UNKNOWN_TENANT')
  isProblem(t, await service.call('GET', '/revocations', withKey(NEW_KEY)), 'CURFEW_UNAUTHENTICATED')
  const again = signed(body, { secret: NEW_SECRET })
  isProblem(
    t,
    await service.call('POST', '/logout-hook', { body, headers: again }),
    'CURFEW_SIGNATURE_INVALID',
  )
  t.equal((await service.call('GET', '/health/ready')).json.checks.length, 4)
})

t.test('a reload reports the changed senders, and sources by name', async (t) => {
  const { service, file, a, reload } = await startWithFile(t)
  const source = { kind: 'generic', secret: 'a-shared-secret-of-32-characters' }
  const one = { ...vendorOf('generic').entry, ...source, name: 'one' }
  const none = { added: 0, removed: 0, changed: 0 }
  const noNames = { added: [], removed: [], changed: [] }
  file.write({ tenants: [a.entry], sources: [one], apiKeys: [{ key: NEW_KEY }] })
  t.match((await reload()).json, {
    sources: { added: ['one'], removed: [], changed: [] },
    apiKeys: { added: 1, removed: 0, changed: 0 },
    webhookSecrets: none,
  })
  t.match((await reload()).json, { sources: noNames, apiKeys: none, webhookSecrets: none })
  file.write({
    tenants: [a.entry],
    sources: [
      { ...one, reason: 'security' },
      { ...one, name: 'two' },
    ],
    apiKeys: [{ key: NEW_KEY, tenants: ['a'] }],
    webhookSecrets: [{ secret: NEW_SECRET }],
  })
  const changed = { sources: { added: ['two'], removed: [], changed: ['one'] } }
  t.match((await reload()).json, {
    ...changed,
    apiKeys: { added: 0, removed: 0, changed: 1 },
    webhookSecrets: { added: 1, removed: 0, changed: 0 },
  })
  t.match(
    service.logLines.map((line) => JSON.parse(line)).findLast(({ msg }) => msg === 'configuration reloaded'),
    changed,
  )
  file.write({ tenants: [a.entry] })
  t.match((await reload()).json, {
    sources: { added: [], removed: ['one', 'two'], changed: [] },
    apiKeys: { added: 0, removed: 1, changed: 0 },
    webhookSecrets: { added: 0, removed: 1, changed: 0 },
  })
  t.notMatch(service.logLines.join(''), /a-shared-secret|new-key/)
})

t.test('an invalid configuration is reported completely, and nothing changes', async (t) => {
  const { service, file, a, reload, signalTo } = await startWithFile(t)
  file.write({
    tenants: [entryFor('fine'), { ...entryFor('marker-name'), url: 'marker' }],
    apiKeys: [{ key: 'marker' }, { key: NEW_KEY }],
  })
  const reply = await reload()
  for (const place of ['/tenants/1/url', '/apiKeys/0/key'])
    isProblem(t, reply, 'CURFEW_CONFIG_INVALID', `CONFIG_FILE ${place}`)
  t.notMatch(reply.text, 'marker')
  isProblem(t, await signalTo('fine'), 'CURFEW_UNKNOWN_TENANT')
  isProblem(t, await service.call('GET', '/revocations', withKey(NEW_KEY)), 'CURFEW_UNAUTHENTICATED')
  t.equal((await signalTo('a')).status, 202)

  file.write('{')
  isProblem(t, await reload(), 'CURFEW_CONFIG_INVALID', 'CONFIG_FILE')
  file.write({ tenants: [a.entry] })
  t.match((await reload()).json, { tenants: 2, added: 0, removed: 0, changed: 0 })
  t.notMatch(service.logLines.join(''), /marker|client-secret/)
})

t.test('unchanged tenants keep their access token, and runs are not disturbed', async (t) => {
  const { service, file, a, reload } = await startWithFile(t)
  const { tenant } = a.sandbox
  const user = tenant.addUser()
  tenant.issueTokens(user.id, 3)
  await service.revoke({ userId: 'somebody', tenant: 'a' })
  tenant.settings.latencyMs = 50
  const revoking = nextCall(a.sandbox, ({ route }) => route === 'revoke', 'arrived')
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id, tenant: 'a' } })
  await revoking
  t.equal((await reload()).status, 200)
  file.write({ tenants: [{ ...a.entry, concurrency: 3 }] })
  t.match((await reload()).json, { tenants: 2, added: 0, removed: 0, changed: 1 })
  t.match(await service.ended(json.id), { status: 'completed', attempts: 1, tokens: { revoked: 3 } })
  const tokens = tenant.calls.filter(({ route }) => route === 'token').length
  t.ok(tokens <= 2, 'one, and one for the tenant that was changed')
})

t.test('a revocation of a removed tenant continues when the tenant is back', async (t) => {
  const { service, file, a, reload } = await startWithFile(t)
  a.sandbox.tenant.addUser({ id: 'u1' })
  a.sandbox.tenant.order({ kind: 'status', status: 503, route: 'list' })
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: 'u1', tenant: 'a' } })
  const untilError = async (code: string) => {
    let shown = json
    while (shown.error?.code !== code) shown = (await service.call('GET', `/revocations/${json.id}`)).json
    return shown
  }
  await untilError('CURFEW_QLIK_UNAVAILABLE')
  file.write({ tenants: [] })
  await reload()
  await service.call('POST', `/revocations/${json.id}/retry`)
  t.match(await untilError('CURFEW_UNKNOWN_TENANT'), { error: { detail: 'No tenant "a" is configured.' } })
  file.write({ tenants: [a.entry] })
  await reload()
  await service.call('POST', `/revocations/${json.id}/retry`)
  t.match(await service.settled(json.id), { status: 'completed', verified: true })
})

t.test('concurrent reloads run one after the other, and each reports only its own mistakes', async (t) => {
  const config = await loadConfig(COMPLETE)
  const loads: PromiseWithResolvers<typeof config>[] = []
  const replaced: string[] = []
  const reload = createReload({
    initial: config,
    load: () => {
      const load = Promise.withResolvers<typeof config>()
      loads.push(load)
      return load.promise
    },
    tenants: {
      replace: ([first]) => {
        replaced.push(String(first?.name))
        return { added: 0, removed: 0, changed: 0 }
      },
    },
    senders: { replace: () => {} },
    sources: { replace: () => {} },
    receivers: { replace: () => {} },
    recorder: { note: () => {} },
    log: { info: () => {}, warn: () => {}, error: () => {} },
  })
  const [first, second] = [rejection(reload()), reload()]
  await Promise.resolve()
  t.equal(loads.length, 1, 'the second one waits')
  loads[0]?.reject(new ConfigError([{ key: 'PORT', expected: 'expected a number' }]))
  t.match(await first, { code: 'CURFEW_CONFIG_INVALID' })
  t.same(replaced, [])
  while (loads.length < 2) await Promise.resolve()
  loads[1]?.resolve(config)
  t.match(await second, { tenants: 1, added: 0, removed: 0, changed: 0 })
  t.same(replaced, ['default'])
})

t.test("the environment's secret files are read again, also without CONFIG_FILE", async (t) => {
  const folder = temporaryFolder(t)
  const files = { API_KEYS: API_KEY, WEBHOOK_SECRETS: WEBHOOK_SECRET }
  const write = (name: string, content: string) => writeFileSync(join(folder, name), content)
  for (const [key, value] of Object.entries(files)) write(key, value)
  const service = await startService(t, {
    environment: {
      ...{ API_KEYS: '', WEBHOOK_SECRETS: '' },
      API_KEYS_FILE: join(folder, 'API_KEYS'),
      WEBHOOK_SECRETS_FILE: join(folder, 'WEBHOOK_SECRETS'),
    },
  })
  write('API_KEYS', `${NEW_KEY}\n${OTHER_API_KEY}`)
  write('WEBHOOK_SECRETS', NEW_SECRET)
  t.match((await service.call('POST', '/config/reload')).json, {
    tenants: 1,
    added: 0,
    removed: 0,
    changed: 0,
  })
  isProblem(t, await service.call('GET', '/revocations'), 'CURFEW_UNAUTHENTICATED')
  t.equal((await service.call('GET', '/revocations', withKey(NEW_KEY))).status, 200)
  const body = '{"userId":"u1"}'
  const statusBy = async (secret: string) =>
    (await service.call('POST', '/logout-hook', { body, headers: signed(body, { secret }) })).status
  t.same([await statusBy(WEBHOOK_SECRET), await statusBy(NEW_SECRET)], [401, 202])
})
