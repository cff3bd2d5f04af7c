import { copyFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { configurationFile } from '../support/config-file.ts'
import { isProblem } from '../support/problems.ts'
import { databaseUrl, startService } from '../support/service.ts'

const pathOf = (url: string) => url.replace('sqlite:', '')

t.test('a backup under load contains every signal that was answered before it', async (t) => {
  const service = await startService(t)
  service.sandbox.tenant.order({ kind: 'hang', times: Number.POSITIVE_INFINITY })
  const answered = new Set<string>()
  let isOver = false
  const send = async (sender: number) => {
    for (let count = 0; !isOver; count += 1) {
      const { status, json } = await service.call('POST', '/logout-hook', {
        body: { userId: `${sender}-${count}` },
      })
      if (status === 202) answered.add(json.id)
    }
  }
  const senders = Array.from({ length: 8 }, (_, sender) => send(sender))
  while (answered.size < 200) await new Promise((resolve) => setImmediate(resolve))
  const before = [...answered]
  const { status, json } = await service.call('POST', '/backups')
  isOver = true
  await Promise.all(senders)
  t.equal(status, 201)
  t.match(statSync(json.file), { size: json.bytes })
  t.equal(statSync(json.file).mode & 0o777, 0o600)

  const url = databaseUrl(t)
  copyFileSync(json.file, pathOf(url))
  const { sandbox, client } = service
  const restored = await startService(t, { share: { sandbox, client }, environment: { DATABASE_URL: url } })
  t.equal((await restored.call('GET', '/health/ready')).json.checks[1].status, 'ok')
  for (const id of before) t.equal((await restored.call('GET', `/revocations/${id}`)).status, 200, id)
})

t.test('a backup saves the data of a database whose folder was removed', async (t) => {
  const url = databaseUrl(t)
  const service = await startService(t, { environment: { DATABASE_URL: url } })
  const { id } = await service.revoke({ userId: 'a' })
  rmSync(dirname(pathOf(url)), { recursive: true })
  isProblem(
    t,
    await service.call('POST', '/logout-hook', { body: { userId: 'b' } }),
    'CURFEW_STORE_UNAVAILABLE',
  )
  const ready = await service.call('GET', '/health/ready')
  t.equal(ready.status, 503)
  t.match(ready.json.checks[1], { name: 'store', status: 'failed', detail: /removed/ })
  const { json } = await service.call('POST', '/backups')
  const restoredUrl = databaseUrl(t)
  copyFileSync(json.file, pathOf(restoredUrl))
  const { sandbox, client } = service
  const environment = { DATABASE_URL: restoredUrl }
  const restored = await startService(t, { share: { sandbox, client }, environment })
  t.match((await restored.call('GET', `/revocations/${id}`)).json, { id, status: 'completed' })
})

t.test('requests at the same time share one backup, and no partial file is left', async (t) => {
  const url = databaseUrl(t)
  const service = await startService(t, { environment: { DATABASE_URL: url } })
  const made = await Promise.all([service.call('POST', '/backups'), service.call('POST', '/backups')])
  const files = new Set(made.map(({ json }) => json.file))
  const found = readdirSync(dirname(pathOf(url))).filter((name) => name.includes('.backup'))
  t.equal(found.length, files.size)
  t.notOk(found.some((name) => name.endsWith('.partial')))
})

t.test('a key that is restricted to tenants gets no backup', async (t) => {
  const value = 'restricted-key-0123456789abcdef'
  const file = configurationFile(t, { apiKeys: [{ key: value, tenants: ['default'] }] })
  const service = await startService(t, { environment: { CONFIG_FILE: file.path } })
  const headers = { authorization: `Bearer ${value}` }
  isProblem(t, await service.call('POST', '/backups', { headers }), 'CURFEW_FORBIDDEN')
})
