import { rmSync } from 'node:fs'
import t from 'tap'
import { openSqliteStore } from '../../../src/stores/sqlite/store.ts'
import { brokenLink, entriesOf, type ReadEntry, storedEntries } from '../../support/audit.ts'
import { configurationFile } from '../../support/config-file.ts'
import { until } from '../../support/events.ts'
import { API_KEY, type Service, startService, WEBHOOK_SECRET } from '../../support/service.ts'
import { signed } from '../../support/webhook.ts'

const BY = { kind: 'api-key', name: 'API_KEYS[0]', id: /^[0-9a-f]{16}$/ }
const SENT = { by: BY, address: '127.0.0.1' }

/** Ends the service, and returns all entries that it wrote. */
async function entriesAfter({ app, environment }: Service): Promise<ReadEntry[]> {
  await app.close()
  const store = openSqliteStore(String(environment.DATABASE_URL).replace('sqlite:', ''))
  try {
    const stored = await storedEntries(store.audit)
    t.equal(brokenLink(stored), null)
    const texts = stored.map(({ text, private: personal }) => `${text} ${personal}`).join()
    for (const secret of [API_KEY, WEBHOOK_SECRET.slice(6), environment.QLIK_CLIENT_SECRET, 'eyJ'])
      t.notOk(texts.includes(String(secret)))
    return await entriesOf(store)
  } finally {
    await store.close()
  }
}

t.test('a logout is recorded from the signal to each token and the proof', async (t) => {
  const service = await startService(t)
  const { id: userId } = service.userWithTokens(3, { email: 'ann@example.com' })
  const tokens = service.sandbox.tenant.tokensOf(userId).map(({ id }) => id)
  const { id } = await service.revoke({ email: 'ann@example.com' })
  const entries = await entriesAfter(service)
  t.same(
    entries.map(({ event }) => event),
    ['signal-accepted', 'tokens-revoked', 'revocation-ended', 'revocation-verified'],
  )
  const [accepted, revoked, ended] = entries
  t.match(accepted, { ...SENT, revocation: id, details: { source: 'logout-hook', reason: 'logout' } })
  t.match(revoked, { by: null, revocation: id, tenant: 'default' })
  const listed = revoked?.details.tokens as { id: string; answer: string; at: number }[]
  t.same(listed.map((token) => token.id).sort(), tokens.sort())
  t.ok(listed.every(({ answer, at }) => answer === 'revoked' && at > 0))
  t.match(ended, { details: { tokens: { revoked: 3 } }, personal: { qlikUsers: [userId] } })
  for (const { personal } of entries) t.match(personal, { user: { kind: 'email', value: 'ann@example.com' } })
})

t.test(
  'requests of authenticated senders are recorded: dry runs, rejections, reloads, backups',
  async (t) => {
    const source = { name: 'op', kind: 'clerk', secret: WEBHOOK_SECRET }
    const file = configurationFile(t, { sources: [] })
    const service = await startService(t, { environment: { CONFIG_FILE: file.path } })
    await service.call('POST', '/logout-hook?dryRun=true', { body: { userId: 'u1' } })
    await service.call('POST', '/revocations?dryRun=true', {
      body: { users: [{ userId: 'u2' }, { email: 'a@b.c' }] },
    })
    await service.call('POST', '/logout-hook', { body: { userId: 'u1', tenant: 'nowhere' } })
    await service.call('POST', '/logout-hook', {
      body: { userId: 'u1' },
      headers: { authorization: 'Bearer wrong' },
    })
    const body = JSON.stringify({ user: 'nobody' })
    await service.call('POST', '/logout-hook', { body, headers: signed(body) })
    file.write({ sources: [source] })
    await service.call('POST', '/config/reload')
    await service.app.reloadConfig()
    await service.call('POST', '/backups')
    const entries = await entriesAfter(service)
    const of = (name: string) => entries.filter(({ event }) => event === name)
    t.match(of('dry-run'), [
      { ...SENT, details: { source: 'logout-hook' }, personal: { user: { value: 'u1' } } },
      { ...SENT, details: { source: 'bulk' }, personal: { user: { value: 'u2' } } },
      { ...SENT, details: { source: 'bulk' }, personal: { user: { value: 'a@b.c' } } },
    ])
    const route = 'POST /logout-hook'
    t.match(of('request-rejected'), [
      { ...SENT, details: { code: 'CURFEW_UNKNOWN_TENANT', route } },
      {
        by: { kind: 'webhook', name: 'WEBHOOK_SECRETS[0]' },
        details: { code: 'CURFEW_REQUEST_INVALID', route },
      },
    ])
    t.match(of('config-reloaded'), [
      { ...SENT, details: { sources: { added: ['op'] }, tenants: { added: [], changed: [] } } },
      { by: null, address: null, details: { sources: { added: [] } } },
    ])
    t.match(of('backup-made'), [{ ...SENT, details: { bytes: Number } }])
    t.equal(entries.length, 3 + 2 + 2 + 1)
  },
)

t.test('nothing is recorded if the audit trail is turned off', async (t) => {
  const service = await startService(t, { environment: { AUDIT_RETENTION_DAYS: '0' } })
  await service.revoke({ userId: 'u1' })
  await service.call('POST', '/logout-hook?dryRun=true', { body: { userId: 'u1' } })
  t.same(await entriesAfter(service), [])
})

t.test('a request whose rejection cannot be recorded gets its answer, and the loss is logged', async (t) => {
  const service = await startService(t)
  rmSync(String(service.environment.DATABASE_URL).replace('sqlite:', ''))
  const { status } = await service.call('POST', '/logout-hook', { body: { userId: 'u1', tenant: 'nowhere' } })
  t.equal(status, 400)
  await until('the loss is logged', () =>
    service.logLines.some((line) => line.includes('events are missing from the audit trail')),
  )
})
