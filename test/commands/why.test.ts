import t from 'tap'
import { explain } from '../../src/commands/why/explain.ts'
import { runCommand } from '../support/process.ts'
import { API_KEY, type Service, startService } from '../support/service.ts'

const why = (service: Service, ...args: string[]) =>
  runCommand(['why', ...args], { CURFEW_URL: service.url, CURFEW_API_KEY: API_KEY })

t.test('it explains who requested a revocation, what was revoked, and the proof', async (t) => {
  const service = await startService(t)
  service.userWithTokens(2, { email: 'ann@example.com' })
  const body = { email: 'ann@example.com', reason: 'security' }
  const { id } = (await service.call('POST', '/logout-hook', { body })).json
  await service.settled(id)
  const { code, stdout } = await why(service, 'ann@example.com')
  t.equal(code, 0)
  const time = String.raw`  20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ`
  t.match(
    stdout,
    new RegExp(
      `^ann@example.com, tenant default: completed and verified \\(${id}\\)\n${[
        String.raw`${time} requested by api-key API_KEYS\[0\] at 127.0.0.1, reason security, source logout-hook\.`,
        `${time} the first attempt started\\.`,
        `${time} Qlik confirmed that 2 tokens are gone\\.`,
        `${time} completed: tokens were revoked\\.`,
        `${time} a listing proved that no token in scope is left\\.`,
        '  Of 2 tokens: 2 revoked\\.',
      ].join('\n')}\n$`,
    ),
  )
  const json = JSON.parse((await why(service, '--json', 'ann@example.com')).stdout)
  t.match(json, { revocations: [{ revocation: { id }, timeline: [{ event: 'signal-accepted' }] }] })
})

t.test('it says why a revocation failed, and that there is none', async (t) => {
  const service = await startService(t)
  for (const email of ['ann@example.com', 'ANN@example.com']) service.userWithTokens(1, { email })
  const { id } = (await service.call('POST', '/logout-hook', { body: { email: 'ann@example.com' } })).json
  await service.ended(id)
  const { code, stdout } = await why(service, 'ann@example.com')
  t.equal(code, 1)
  t.match(stdout, /: failed \(.*Last error: CURFEW_AMBIGUOUS_USER: .*Then: curfew retry /s)
  t.match(await why(service, 'nobody'), { code: 1, stdout: /^No revocation names this user/ })
  t.match(await why(service), { code: 64, stderr: /Usage: curfew why/ })
})

t.test('it finds revocations under other names of the user', async (t) => {
  const service = await startService(t)
  const ann = service.userWithTokens(1, { email: 'ann@example.com', subject: 'idp|ann' })
  const { id } = await service.revoke({ subject: 'idp|ann' })
  const first = await why(service, 'ann@example.com')
  t.match(first, { code: 0, stderr: '' })
  t.match(
    first.stdout,
    `ann@example.com is the Qlik user ${ann.id}.\nidp|ann, tenant default: completed and verified (${id})`,
  )
  const { id: byEmail } = await service.revoke({ email: 'ann@example.com' })
  service.sandbox.tenant.order({ kind: 'status', status: 503, times: Number.POSITIVE_INFINITY })
  const json = JSON.parse((await why(service, '--json', 'ann@example.com')).stdout)
  t.match(json, {
    qlikUsers: [ann.id],
    isComplete: true,
    revocations: [{ revocation: { id: byEmail } }, { revocation: { id } }],
  })
  t.match(await why(service, '--limit', '1', ann.id), {
    code: 0,
    stdout: new RegExp(`^ann@.*${byEmail}\\)\n(?:  .*\n)+$`),
  })
  t.match(await why(service, 'ben@example.com'), {
    code: 1,
    stderr: /^Qlik could not be asked for the user id/,
  })
})

t.test('it says what a revocation waits for, and until when', async (t) => {
  const revocation = {
    id: 'r1',
    tenant: 'default',
    user: { userId: 'u1' },
    source: 'okta',
    senders: [] as { kind: string; name: string }[],
    proof: null,
    reason: 'logout',
    outcome: null,
    tokens: { found: 3, revoked: 1, alreadyGone: 0, kept: 0, remaining: 2, undecided: 0 },
    verified: false,
    verificationDueAt: null,
    supersededBy: null,
    error: null,
    occurredAt: '',
    acceptedAt: '',
    completedAt: null,
    estimatedCompletionAt: '2026-11-27T14:09:00.000Z',
    nextAttemptAt: null,
    waitingFor: { what: 'budget', until: '2026-11-27T12:05:00.000Z' },
  } as const
  const now = Date.parse('2026-11-27T12:01:00Z')
  const lines = (changes: object) => explain({ ...revocation, status: 'queued', ...changes }, [], now)
  t.same(lines({}), [
    'u1, tenant default: queued (r1)',
    '  Of 3 tokens: 1 revoked, 2 remaining.',
    '  Waits for the rate limit, which is used up, until 2026-11-27 12:05:00Z (in 4 min).',
    '  Estimated completion: 2026-11-27 14:09:00Z (in 3 h).',
  ])
  const tokens = { found: 4, revoked: 1, alreadyGone: 1, kept: 2, remaining: 0 }
  t.equal(
    lines({ tokens })[1],
    '  Of 4 tokens: 1 revoked, 1 already gone, 2 kept, because granted afterwards.',
  )
  t.equal(lines({ waitingFor: null })[2], '  It waits for its turn.')
  t.match(lines({ status: 'held' }).at(-1), /curfew release/)
  t.match(
    lines({ status: 'completed', verificationDueAt: '2026-11-27T12:00:59.500Z' }).at(-1),
    /due at 2026-11-27 12:00:59Z\.$/,
  )
  t.notMatch(lines({ user: { userId: 'a\u001b[2J' } }).join(), '\u001b', 'control characters are replaced')
})
