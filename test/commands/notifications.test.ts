import t, { type Test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { configurationFile } from '../support/config-file.ts'
import { runCommand } from '../support/process.ts'
import { startReceiver } from '../support/receiver.ts'
import { RECEIVER_SECRET } from '../support/receivers.ts'
import { API_KEY, databaseUrl, startService } from '../support/service.ts'

/** A service with a receiver that answers 500, and one notification that it has refused. */
async function start(t: Test, more: Record<string, string> = {}) {
  const receiver = await startReceiver(t)
  receiver.answer = (response) => void response.writeHead(500).end()
  const entry = { name: 'siem', url: receiver.url, secret: RECEIVER_SECRET, events: ['revocation.completed'] }
  const file = configurationFile(t, { receivers: [entry], receiverNetworks: ['127.0.0.1'] })
  const service = await startService(t, { environment: { CONFIG_FILE: file.path, ...more } })
  const environment = { CURFEW_URL: service.url, CURFEW_API_KEY: API_KEY }
  const run = (...args: string[]) => runCommand(['notifications', ...args], environment)
  return { receiver, service, run }
}

t.test('a refused notification is found, and sent again when the receiver works', async (t) => {
  const { receiver, service, run } = await start(t)
  t.match(await run('list'), { code: 0, stderr: 'No notifications.\n' })
  await service.revoke({ email: 'nobody@example.com' })
  await receiver.got(1)
  let [item] = (await service.call('GET', '/notifications')).json.items
  while (item.code === null) [item] = (await service.call('GET', '/notifications')).json.items
  const listed = await run('list', '--receiver', 'siem')
  t.match(listed.stdout, `${item.id}  siem  revocation.completed  pending`)
  t.match(listed.stdout, 'attempt 1: CURFEW_RECEIVER_STATUS (HTTP 500)')
  t.match(JSON.parse((await run('list', '--json')).stdout), { id: item.id })
  const state = await run('receivers')
  t.match(state.stdout, /^RECEIVER +STATE +WAITING/)
  t.match(state.stdout, /siem +ok +1 .*CURFEW_RECEIVER_STATUS/)
  t.match(await run('test', 'siem'), {
    code: 1,
    stdout: 'Not delivered: CURFEW_RECEIVER_STATUS (HTTP 500).\n',
  })

  receiver.answer = (response) => void response.writeHead(204).end()
  t.match(await run('test', 'siem'), { code: 0, stdout: 'Delivered (HTTP 204).\n' })
  t.match(await run('redeliver', item.id), { code: 0, stdout: '1 notification sent again.\n' })
  const requests = await receiver.got(4)
  t.equal(requests.at(-1)?.headers['webhook-id'], item.id)
})

t.test('all that failed of a receiver are counted before they are sent again', async (t) => {
  const { run } = await start(t)
  t.match(await run('redeliver', '--receiver', 'siem', '--dry-run', '--json'), {
    stdout: JSON.stringify({ redelivered: 0, dryRun: true }, null, 2),
  })
  t.match(await run('redeliver', '--receiver', 'siem', '--yes'), {
    code: 0,
    stdout: '0 failed notifications of siem.\n',
  })
  t.match((await run('redeliver', '--receiver', 'other', '--yes')).stderr, 'CURFEW_UNKNOWN_RECEIVER')
  for (const args of [[], ['id', '--receiver', 'siem'], ['id', '--dry-run']])
    t.equal((await run('redeliver', ...args)).code, 64, args.join(' '))
})

t.test('more than 1,000 failed ones take several requests', async (t) => {
  const DATABASE_URL = databaseUrl(t)
  const store = openSqliteStore(DATABASE_URL.slice('sqlite:'.length), systemClock)
  const { notifications } = store
  const at = Date.now()
  const about = { tenant: null, revocation: null, user: null, data: '{}' }
  await notifications.add(
    Array.from(
      { length: 1_100 },
      () => ({ receiver: 'siem', type: 'source.rejected', at, ...about }) as const,
    ),
  )
  const failure = { status: 'failed', at, httpStatus: null, code: 'CURFEW_RECEIVER_UNREACHABLE' } as const
  const claimed = await notifications.claim('siem', at, 1_100)
  await Promise.all(claimed.map((one) => notifications.report(one, failure)))
  await store.close()
  const { run, service } = await start(t, { DATABASE_URL })
  const answer = await service.call('POST', '/notifications/redeliver?dryRun=true', {
    body: { receiver: 'siem' },
  })
  t.same(answer.json, { redelivered: 1_100, more: false, dryRun: true })
  const redelivered = await run('redeliver', '--receiver', 'siem', '--yes', '--json')
  t.same(JSON.parse(redelivered.stdout), { redelivered: 1_100, dryRun: false })
})
