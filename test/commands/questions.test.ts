import { join } from 'node:path'
import t, { type Test } from 'tap'
import { skippingClock } from '../support/clock.ts'
import { configurationFile } from '../support/config-file.ts'
import { until } from '../support/events.ts'
import { runCommand } from '../support/process.ts'
import { API_KEY, folderWith, type Service, startService, WEBHOOK_SECRET } from '../support/service.ts'
import { sameShape, shownIn } from '../support/shown.ts'

/**
 * Asks the real service a question of an operator with one command. The answer has the shape that docs/runbook.md shows for
 * this command.
 * @param args strings as in the runbook; an object `{ shown: given }` for an argument that differs here
 */
async function ask(
  t: Test,
  service: Service,
  question: string,
  ...args: (string | Record<string, string>)[]
) {
  const { command, answer } = shownIn('docs/runbook.md', question)
  const words = args.map((word) => (typeof word === 'string' ? [word, word] : Object.entries(word)[0]))
  t.equal(command, ['curfew', ...words.map((word) => word?.[0])].join(' '), 'the runbook has this command')
  const environment = { ...service.environment, CURFEW_URL: service.url, CURFEW_API_KEY: API_KEY }
  const result = await runCommand(
    words.map((word) => String(word?.[1])),
    environment,
  )
  t.equal(result.code, 0, result.stderr)
  t.match(result.stderr, /^(Revoking: .*\n)*$/, 'nothing but progress')
  t.match(result.stdout, sameShape(answer))
  return result.stdout
}

const ID_SHOWN = '01f7dd5d-5d0c-7c4e-9d0e-3b1f0c9a7e21'

t.test('Was Ann logged out? Who requested it?', async (t) => {
  const service = await startService(t)
  service.userWithTokens(2, { email: 'ann@example.com' })
  await service.revoke({ email: 'ann@example.com', reason: 'security' })
  const answer = await ask(t, service, 'Was Ann logged out?', 'why', 'ann@example.com')
  t.match(answer, ': completed and verified (')
  const who = ['--user', 'ann@example.com', '--event', 'signal-accepted']
  t.match(
    await ask(t, service, 'Who requested it?', 'audit', ...who),
    ' by api-key API_KEYS[0]  from 127.0.0.1 ',
  )
})

t.test('Why are 4,000 queued, and until when?', async (t) => {
  const environment = { QLIK_TIER1_LIMIT: '20', QLIK_TIER2_LIMIT: '10' }
  const service = await startService(t, { environment })
  const users = Array.from({ length: 4_000 }, () => ({ userId: service.userWithTokens(1).id }))
  for (let start = 0; start < users.length; start += 1_000) {
    const body = { users: users.slice(start, start + 1_000) }
    // A busy machine can answer with 503: senders repeat the request.
    await until('they are accepted', async () => {
      const { status } = await service.call('POST', '/revocations', { body })
      return status === 202
    })
  }
  await until('the rate limits are used up', async () => {
    const { text } = await service.call('GET', '/metrics')
    return text.match(/^curfew_budget_remaining\{.*\} 0$/gm)?.length === 2
  })
  const answer = await ask(t, service, 'Why are 4,000 queued, and until when?', 'status')
  t.match(answer, / {2}default {2}3,9\d\d queued, \d\d running\n/)
  t.match(answer, /Waits for the rate limit, which is used up, until .*Z \(in \d min\)\./)
})

t.test('Retry everything that failed', async (t) => {
  const service = await startService(t)
  // Qlik refuses two calls, until the cause is fixed.
  service.sandbox.tenant.order({ kind: 'status', status: 403, route: 'revoke', times: 2 })
  const users = ['ann@example.com', 'ben@example.com'].map((email) => service.userWithTokens(1, { email }))
  const ids: string[] = []
  for (const { email } of users) {
    const { id } = (await service.call('POST', '/logout-hook', { body: { email } })).json
    t.equal((await service.ended(id)).error?.code, 'CURFEW_QLIK_FORBIDDEN')
    ids.push(id)
  }
  await ask(t, service, 'Retry everything that failed', 'retry', '--failed', '--yes')
  for (const id of ids) t.equal((await service.settled(id)).status, 'completed')
})

t.test('Revoke these 300 from a CSV now', async (t) => {
  const service = await startService(t)
  const users = Array.from({ length: 300 }, (_, index) =>
    service.userWithTokens(1, { email: `u${index}@example.com` }),
  )
  const csv = `email\n${users.map(({ email }) => email).join('\n')}\n`
  const file = join(folderWith(t, { 'users.csv': csv }), 'users.csv')
  const args = ['revoke', '--file', { 'users.csv': file }, '--wait']
  await ask(t, service, 'Revoke these 300 from a CSV now', ...args)
  t.equal(users.filter(({ id }) => service.sandbox.tenant.tokensOf(id).length > 0).length, 0)
})

t.test('Stop, that was a mistake', async (t) => {
  const service = await startService(t, { environment: { QLIK_TIER2_LIMIT: '10' } })
  const ann = service.userWithTokens(30, { email: 'ann@example.com' })
  const { id } = (await service.call('POST', '/logout-hook', { body: { email: 'ann@example.com' } })).json
  const left = () => service.sandbox.tenant.tokensOf(ann.id).length
  await until('the rate limit is used up', async () => left() === 21)
  await ask(t, service, 'Stop, that was a mistake', 'cancel', { [ID_SHOWN]: id }, '--yes')
  t.match((await service.call('GET', `/revocations/${id}`)).json, { status: 'cancelled' })
  t.equal(left(), 21)
})

t.test('Who is being rejected, and why?', async (t) => {
  const { service, clerk } = await withClerk(t)
  for (let times = 0; times < 3; times += 1) await clerk()
  const headers = { authorization: 'Bearer marker' }
  await service.call('POST', '/logout-hook', { body: { email: 'ann@example.com' }, headers })
  await ask(t, service, 'Who is being rejected, and why?', 'rejections')
})

t.test('Is everything configured correctly?', async (t) => {
  const { service } = await withClerk(t)
  // What the runbook's --env names is set.
  await ask(t, service, 'Is everything configured correctly?', 'doctor', '--env', { '.env': '/dev/null' })
})

/** A service with a source and a clock that no other test moved ahead, and a function that sends it a request that is not signed. */
async function withClerk(t: Test) {
  const { path } = configurationFile(t, {
    sources: [{ name: 'clerk', kind: 'clerk', secret: WEBHOOK_SECRET }],
  })
  const service = await startService(t, { clock: skippingClock(), environment: { CONFIG_FILE: path } })
  const headers = { authorization: '' }
  return { service, clerk: () => service.call('POST', '/sources/clerk/webhook', { body: {}, headers }) }
}
