import t from 'tap'
import { runCommand } from '../support/process.ts'
import { API_KEY, type Service, startService } from '../support/service.ts'

const run = (service: Pick<Service, 'url'>, args: string[]) =>
  runCommand(['batch', ...args], { CURFEW_URL: service.url, CURFEW_API_KEY: API_KEY })

t.test('it shows how many are done, and what failed', async (t) => {
  const service = await startService(t)
  for (const id of ['ann', 'ben']) service.userWithTokens(1, { id })
  service.sandbox.tenant.order({ kind: 'status', status: 403, route: 'revoke', times: 1 })
  const revoke = async (userId: string) => {
    const body = { users: [{ userId }], batch: 'incident-7' }
    const { json } = await service.call('POST', '/revocations', { body })
    return service.settled(json.items[0].revocation.id)
  }
  const failed = await revoke('ann')
  await revoke('ben')
  const shown = await run(service, ['incident-7', '--watch'])
  t.equal(shown.code, 1)
  t.match(shown.stdout, /^Batch incident-7, tenant default, since .*Z: 2 users\n {2}2 of 2 ended, 1 failed\n/)
  t.match(shown.stdout, '  1 completed, 1 failed\n  1 revoked; 1 verified\n  1 token revoked, 0 kept, ')
  t.match(shown.stdout, /1 failed {2}CURFEW_QLIK_FORBIDDEN: .+\n/)
  t.match(shown.stdout, `    ${failed.id}\n`)
  const { stdout } = await run(service, ['incident-7', '--json', '--tenant', 'default'])
  t.match(JSON.parse(stdout), { total: 2, failures: [{ code: 'CURFEW_QLIK_FORBIDDEN', count: 1 }] })
  await service.call('POST', `/revocations/${failed.id}/retry`)
  await service.settled(failed.id)
  t.match(await run(service, ['incident-7']), { code: 0, stdout: /2 completed\n {2}2 revoked; 2 verified/ })
})

t.test('an unknown batch says what to do', async (t) => {
  const service = await startService(t)
  t.match(await run(service, ['nope']), {
    code: 65,
    stdout: '',
    stderr: /^CURFEW_UNKNOWN_BATCH: .*\nCheck the id/,
  })
})

t.test('a batch that was a mistake is cancelled by one command, and nothing else', async (t) => {
  const service = await startService(t)
  service.sandbox.tenant.order({ kind: 'hang', route: 'list', times: 9 })
  const send = async (batch: string, ...users: string[]) => {
    const body = { users: users.map((userId) => ({ userId })), batch }
    return (await service.call('POST', '/revocations', { body })).json.items
  }
  const mistakes = await send('incident-7', 'ann', 'ben', 'eve')
  const [other] = await send('incident-8', 'zoe')
  const environment = { CURFEW_URL: service.url, CURFEW_API_KEY: API_KEY }
  const { code, stdout } = await runCommand(['cancel', '--batch', 'incident-7', '--yes'], environment)
  t.equal(code, 0)
  t.match(stdout, /^3 revocations cancelled\.$/m)
  for (const { revocation } of mistakes)
    t.match((await service.call('GET', `/revocations/${revocation.id}`)).json, { status: 'cancelled' })
  const { json } = await service.call('GET', `/revocations/${other.revocation.id}`)
  t.not(json.status, 'cancelled')
})
