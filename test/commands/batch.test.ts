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
