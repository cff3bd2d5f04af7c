import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { type DirectProgress, runDirectly } from '../../src/commands/revoke/direct-run.ts'
import type { TenantConfig } from '../../src/qlik/tenant-config.ts'
import { isVerified } from '../../src/revocation/revocation.ts'
import type { Signal } from '../../src/revocation/signal.ts'
import type { SandboxOptions } from '../../src/sandbox/options.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { fakeClock } from '../support/clock.ts'
import { drive } from '../support/drive.ts'
import { until } from '../support/events.ts'
import { bare, MAIN, runCommand } from '../support/process.ts'
import { folderWith, temporaryFolder } from '../support/service.ts'

/** A sandbox with two users who have tokens, and an environment that has only the tenant. */
async function open(t: Test, options: SandboxOptions = {}, tokens = 2) {
  const sandbox = await startSandbox({ tenantLimitShare: null, ...options })
  t.teardown(() => sandbox.close())
  const { tenant } = sandbox
  const client = tenant.addClient()
  const ann = tenant.addUser({ email: 'ann@example.com' })
  const ben = tenant.addUser({ email: 'ben@example.com', subject: 'idp|ben' })
  for (const { id } of [ann, ben]) tenant.issueTokens(id, tokens)
  const folder = temporaryFolder(t)
  const environment = {
    ...{ QLIK_TENANT_URL: sandbox.url, QLIK_CLIENT_ID: client.id, QLIK_CLIENT_SECRET: client.secret },
    TMPDIR: folder,
  }
  return {
    ...{ sandbox, tenant, client, ann, ben, environment },
    left: () => [ann, ben].map(({ id }) => tenant.tokensOf(id).length),
    run: (args: string[], more = {}) =>
      runCommand(['revoke', '--direct', ...args], { ...environment, ...more }),
    /** What the command left behind, other than compiled code. */
    files: () => readdirSync(folder),
  }
}

t.test('users are revoked and verified without a service, and nothing is stored', async (t) => {
  const { run, ann, left, files, client } = await open(t)
  const { code, stdout, stderr } = await run([ann.id, 'ben@example.com'])
  t.equal(code, 0)
  t.match(stdout, /^\w+ {2}completed, revoked, verified \(2 tokens revoked\)\nben@example\.com {2}completed/)
  t.match(stdout, /\n2 users verified, 0 not\.\n$/)
  t.match(stderr, /A running Curfew with the same OAuth client shares its rate limit/)
  t.notMatch(stdout + stderr, client.secret)
  t.same([left(), files()], [[0, 0], []])
})

t.test('a file is read, a dry run revokes nothing, and an unknown user exits with 1', async (t) => {
  const { run, left, files } = await open(t)
  const file = join(
    folderWith(t, { 'users.csv': 'email\nann@example.com\nnobody@example.com\n' }),
    'users.csv',
  )
  t.match(await run(['--file', file, '--dry-run']), {
    code: 0,
    stdout:
      /^ann@example\.com {2}exists: 2 to revoke, 0 to keep\nnobody@example\.com {2}no-matching-user: 0 /,
  })
  t.same([left(), files()], [[2, 2], []])
  const { code, stdout } = await run(['--file', file, '--json', '--reason', 'logout'])
  t.equal(code, 1)
  t.match(JSON.parse(stdout), {
    verified: 1,
    notVerified: 1,
    items: [
      { user: { email: 'ann@example.com' }, status: 'completed', verified: true, tokens: { revoked: 2 } },
      { user: { email: 'nobody@example.com' }, outcome: 'no-matching-user', verified: false },
    ],
  })
  t.same(left(), [0, 2])
})

t.test('what keeps it from working is reported at once, with an exit code', async (t) => {
  const { run, tenant, sandbox, left } = await open(t)
  const { id, secret } = tenant.addClient({ admin: false })
  const plain = await run(['ann@example.com'], { QLIK_CLIENT_ID: id, QLIK_CLIENT_SECRET: secret })
  t.match(plain, { code: 77, stderr: /CURFEW_CLIENT_NOT_ADMIN: .*\n.*TenantAdmin/ })
  const refused = await run(['ann@example.com', '--json'], { QLIK_CLIENT_SECRET: 'marker' })
  t.match(refused, { code: 77, stdout: '', stderr: /"code":"CURFEW_QLIK_UNAUTHORIZED"/ })
  t.notMatch(refused.stderr, 'marker')
  t.match(await run(['ann@example.com', '--wait']), { code: 64, stderr: /omit --wait/ })
  t.match(await run(['ann@example.com', '--tenant', 'x']), { code: 64, stderr: /no tenant of this name/ })
  t.match(await runCommand(['revoke', 'u1', '--yes']), { code: 64, stderr: /applies to --direct/ })
  t.match(await runCommand(['revoke', '--direct', 'u1']), { code: 78, stderr: /QLIK_TENANT_URL/ })
  t.match(await run(['a', 'b'], { MASS_REVOCATION_USERS: '1' }), { code: 64, stderr: /Confirm with --yes/ })
  t.same(left(), [2, 2])
  await sandbox.close()
  t.match(await run(['ann@example.com']), { code: 75, stderr: /CURFEW_QLIK_UNAVAILABLE/ })
})

t.test('Ctrl-C stops it, reports the state of each user, and leaves nothing behind', async (t) => {
  const { environment, tenant, files } = await open(t, {}, 20)
  const child = spawn(
    process.execPath,
    [MAIN, 'revoke', '--direct', 'ann@example.com', 'ben@example.com', '--json'],
    {
      env: bare({ ...environment, QLIK_TIER2_LIMIT: '10' }),
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const [output, errors] = [text(child.stdout), text(child.stderr)]
  const deletes = () => tenant.calls.filter(({ route }) => route === 'revoke').length
  // One of the ten tier 2 calls requests the access token.
  await until('the rate limit is used up', async () => deletes() === 9)
  child.kill('SIGINT')
  t.same(await once(child, 'close'), [130, null])
  t.match(JSON.parse(await output), {
    verified: 0,
    notVerified: 2,
    items: [{ status: 'queued' }, { verified: false }],
  })
  t.match(await errors, /Interrupted: no further token is revoked\. Run the same command again/)
  t.same([deletes(), files()], [9, []])
})

/** Runs in this process, on a clock that moves as fast as the work allows. */
async function runInProcess(t: Test, options: SandboxOptions, tokens: number) {
  const clock = fakeClock()
  const opened = await open(t, { now: clock.now, after: clock.after, ...options }, tokens)
  const { sandbox, client, ann, ben } = opened
  const config: TenantConfig = {
    ...{ name: 'acme', origin: sandbox.url, apiVersion: '2026-11', timeoutMs: 60_000, concurrency: 4 },
    ...{ tier1Limit: 5_000, tier2Limit: options.tier2Limit ?? 500, windowMs: 300_000 },
    clients: [
      {
        clientId: client.id,
        credentials: [{ kind: 'secret', secret: client.secret }],
        scope: 'admin_classic',
      },
    ],
  }
  const now = clock.now()
  const signals = [ann, ben, ann].map(
    ({ id }): Signal => ({
      ...{ tenant: 'acme', user: { kind: 'userId', value: id }, source: 'direct', reason: 'security' },
      ...{ scope: 'all', deviceType: null, occurredAt: now, acceptedAt: now },
    }),
  )
  const reports: DirectProgress[] = []
  const run = (signal = new AbortController().signal) =>
    runDirectly(signals, { config, clock, signal, onProgress: (progress) => void reports.push(progress) })
  return { ...opened, clock, run, reports }
}

t.test('the rate limit is kept, reported, and waited for', async (t) => {
  const { clock, sandbox, run, reports, left, tenant } = await runInProcess(t, { tier2Limit: 10 }, 12)
  const work = run()
  await drive({ clock, sandbox }, work)
  const ended = await work
  t.same([ended.length, ended.every(isVerified), left()], [3, true, [0, 0]])
  t.equal(ended[0]?.id, ended[2]?.id, 'a user who is named twice is revoked once')
  t.same(tenant.calls.filter(({ status }) => status === 429).length, 0)
  t.ok(reports.some(({ limitedUntil }) => limitedUntil !== null))
  t.match(reports.at(-1), { verified: 2, completed: 2, tokens: 24, limitedUntil: null })
})

t.test('it ends after five minutes without progress', async (t) => {
  const { clock, sandbox, run, tenant } = await runInProcess(t, {}, 1)
  tenant.order({ kind: 'status', status: 500, route: 'revoke', times: Number.POSITIVE_INFINITY })
  const startedAt = clock.monotonic()
  const work = run()
  await drive({ clock, sandbox }, work)
  t.match(await work, [{ status: 'queued', error: { code: 'CURFEW_QLIK_UNAVAILABLE' } }, {}, {}])
  t.ok(clock.monotonic() - startedAt < 310_000)
})
