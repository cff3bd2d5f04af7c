import t, { type Test } from 'tap'
import { judge } from '../../src/commands/doctor/probe/judge.ts'
import { probe } from '../../src/commands/doctor/probe/probe.ts'
import type { ProbeFinding } from '../../src/commands/doctor/probe/probe-finding.ts'
import type { TenantConfig } from '../../src/qlik/tenant-config.ts'
import type { SandboxOptions } from '../../src/sandbox/options.ts'
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts'
import { fakeClock } from '../support/clock.ts'
import { drive } from '../support/drive.ts'
import { runCommand } from '../support/process.ts'
import { databaseUrl, environmentFor } from '../support/service.ts'

type ClientOptions = Parameters<Sandbox['tenant']['addClient']>[0]

interface Given extends SandboxOptions {
  client?: ClientOptions
  config?: Partial<TenantConfig>
  /** Called before each second of the probe. */
  onSecond?: (second: number, sandbox: Sandbox) => void
  interrupt?: AbortSignal
}

/** A sandbox with a user who has tokens, and what the probe finds there. */
async function probed(t: Test, given: Given = {}) {
  const { client: clientOptions, config: changes, onSecond = () => {}, interrupt, ...options } = given
  const clock = fakeClock()
  const sandbox = await startSandbox({ now: clock.now, after: clock.after, ...options })
  t.teardown(() => sandbox.close())
  const { tenant } = sandbox
  const client = tenant.addClient(clientOptions)
  const others = tenant.issueTokens(tenant.addUser().id, 3)
  const earlier = tenant.issueAccessToken(client, 'admin_classic')
  const config: TenantConfig = {
    ...{ name: 'acme', origin: sandbox.url, apiVersion: '2026-11', windowMs: 300_000, timeoutMs: 60_000 },
    ...{ tier1Limit: 5_000, tier2Limit: 500, concurrency: 4 },
    clients: [
      {
        clientId: client.id,
        credentials: [{ kind: 'secret', secret: client.secret }],
        scope: 'admin_classic',
      },
    ],
    ...changes,
  }
  const work = probe(config, clock, interrupt ?? new AbortController().signal)
  await drive({ clock, sandbox }, work, (second) => onSecond(second, sandbox))
  const seen = await work
  const findings = new Map(judge(seen, config).map((finding) => [finding.what, finding]))
  const find = (what: string): Partial<ProbeFinding> => findings.get(what) ?? {}
  const deletes = tenant.calls.filter(({ route }) => route === 'revoke')
  const untouched = [...others, earlier].every((token) => tenant.tokens.isAlive(token))
  return { seen, find, findings, deletes, untouched, tenant, client, config }
}

t.test(
  'a tenant that behaves as assumed: nothing to set, one own token deleted, and few calls',
  async (t) => {
    const { seen, findings, deletes, untouched, tenant, client } = await probed(t)
    for (const { what, status, assumed } of findings.values()) {
      t.equal(status, 'ok', what)
      t.ok(assumed, what)
    }
    t.match(seen, { stopped: null, leftBehind: null, firstDelete: 204, secondDelete: 404, calls: { 2: 4 } })
    t.ok(seen.calls[1] < 20)
    t.same(new Set(deletes.map(({ path }) => path)).size, 1)
    t.ok(untouched)
    t.equal(
      tenant.tokensOf(client.userId).length,
      2,
      'the earlier one, and the one that the probe works with',
    )
    const shown = JSON.stringify([seen, [...findings]])
    for (const { accessToken } of tenant.tokensOf(client.userId)) t.notMatch(shown, accessToken)
  },
)

t.test('each variant of what Qlik does not document is reported', async (t) => {
  const variants: [Given, string, Partial<Record<keyof ProbeFinding, unknown>>][] = [
    [{ unknownTokenDelete: 204 }, 'second delete', { status: 'ok', detail: /204/ }],
    [{ tokenIds: 'opaque' }, 'token ids', { status: 'warning', detail: /^32 characters, without a time/ }],
    [{ clockSkewMs: 90_000 }, 'token ids', { status: 'ok' }],
    [{ lagAfterIssueMs: 3_000 }, 'listing of new tokens', { status: 'ok', detail: /after [34] s/ }],
    [{ validAfterRevokeMs: 4_000 }, 'use of a revoked token', { status: 'warning', detail: /another 4 s/ }],
    [{ validAfterRevokeMs: 60_000 }, 'use of a revoked token', { status: 'failed', action: /Report/ }],
    [{ lagAfterRevokeMs: 5_000 }, 'listing of revoked tokens', { status: 'ok', detail: /within 5 s/ }],
    [
      { lagAfterRevokeMs: 18_000 },
      'listing of revoked tokens',
      { status: 'warning', action: /TOKENS_REMAIN/ },
    ],
    [
      { lagAfterRevokeMs: 60_000 },
      'listing of revoked tokens',
      { status: 'warning', detail: /Still listed/ },
    ],
    [
      { client: { rolesReported: false } },
      'visible roles',
      { status: 'ok', detail: /no roles.*other users are listed/ },
    ],
    [{ client: { rolesReported: ['Editor'] } }, 'visible roles', { status: 'ok', detail: /reports Editor/ }],
    [{ client: { admin: false } }, 'visible roles', { status: 'failed', action: /TenantAdmin/ }],
    [{ client: { admin: false, rolesReported: false } }, 'visible roles', { status: 'warning' }],
    [
      { client: { grantedScope: 'user_default' } },
      'visible roles',
      { status: 'failed', action: /QLIK_SCOPE/ },
    ],
    [{ linkOrigin: '' }, 'links', { status: 'ok', detail: /relative links/ }],
    [{ linkOrigin: 'https://other.example' }, 'links', { status: 'ok', detail: /links to another origin/ }],
    [{ absoluteRedirect: true }, 'links', { status: 'ok', detail: /redirects, same-origin/ }],
    [{ dateHeader: 'missing' }, 'Date header', { status: 'failed', action: /proxies/ }],
    [{ dateHeader: 'unreadable' }, 'Date header', { status: 'failed' }],
    [
      { rateLimitHeaders: true },
      'rate limit, tier 2',
      { status: 'ok', detail: /ratelimit-policy: 500;w=300/ },
    ],
    [
      { rateLimitHeaders: true, tier2Limit: 80, windowMs: 60_000 },
      'rate limit, tier 2',
      { status: 'warning', action: /QLIK_TIER2_LIMIT=80 .*QLIK_RATE_WINDOW_MS=60000/ },
    ],
  ]
  for (const [given, what, expected] of variants) {
    const { find, untouched, seen } = await probed(t, given)
    t.match(find(what), expected, JSON.stringify(given))
    t.same([untouched, seen.stopped, seen.leftBehind], [true, null, null], JSON.stringify(given))
  }
})

t.test('a second delete with an error, and slow responses, are problems', async (t) => {
  const { seen, find, config } = await probed(t, {
    onSecond: (second, { tenant }) => {
      if (second === 0) tenant.order({ kind: 'status', status: 403, route: 'revoke', after: 1 })
    },
  })
  t.match(find('second delete'), { status: 'failed', detail: /403/ })
  const slow = judge({ ...seen, slowestMs: 1_000 }, { ...config, timeoutMs: 1_500 })
  t.match(slow.at(-1), { status: 'warning', action: /^Set QLIK_TIMEOUT_MS=4000 / })
})

t.test('if the listing shows tokens of others, none is deleted', async (t) => {
  const { seen, deletes, untouched } = await probed(t, {
    onSecond: (second, { tenant }) => {
      const row = { id: tenant.tokensOf([...tenant.users.keys()].at(-1) ?? '')[0]?.id, userId: 'another' }
      const body = { data: [row], links: {} }
      if (second === 0) tenant.order({ kind: 'wrong-schema', route: 'list', after: 3, body })
    },
  })
  t.match(seen, { stopped: /users that were not requested/, leftBehind: 'unknown' })
  t.same([deletes.length, untouched], [0, true])
})

t.test('with too many tokens of its own, the client is not probed further', async (t) => {
  const { seen, deletes } = await probed(t, {
    onSecond: (second, { tenant }) => {
      const [client] = [...tenant.clients.values()]
      if (second === 0 && client)
        for (let count = 0; count < 300; count += 1) tenant.issueAccessToken(client, 'x')
    },
  })
  t.match(seen, { stopped: /more than 300 tokens/, leftBehind: null, calls: { 2: 1 } })
  t.equal(deletes.length, 0)
})

t.test('a token that is never listed is not deleted, and the rest is skipped', async (t) => {
  const { seen, find, deletes, untouched } = await probed(t, { lagAfterIssueMs: 60_000 })
  t.match(find('listing of new tokens'), { status: 'failed', action: /Send the signal again/ })
  t.match(find('second delete'), { status: 'skipped' })
  t.match(seen, { stopped: /has not been listed/, leftBehind: 'unknown' })
  t.same([deletes.length, untouched], [0, true])
})

t.test('a token that was granted before its request is reported, and not deleted', async (t) => {
  const { seen, find, deletes, untouched } = await probed(t, { grantAgeMs: 60_000 })
  t.match(find('token ids'), { status: 'warning', detail: /60(\.\d)? s before the request/ })
  t.match(seen, { stopped: /may be another program’s/, leftBehind: 'unknown' })
  t.same([deletes.length, untouched], [0, true])
})

t.test('if another program requests a token meanwhile, none is deleted', async (t) => {
  const issued: string[] = []
  const { seen, deletes, tenant, untouched } = await probed(t, {
    onSecond: (second, { tenant }) => {
      const [client] = [...tenant.clients.values()]
      if (second === 8 && client) issued.push(tenant.issueAccessToken(client, 'admin_classic').id)
    },
  })
  t.match(seen, { stopped: /another program uses this client/, leftBehind: 'unknown' })
  t.same([deletes.length, untouched], [0, true])
  t.ok(issued.every((id) => tenant.tokens.withId(id)?.revoked === false))
})

t.test('a 429 ends the probe at once', async (t) => {
  const { seen, find, tenant } = await probed(t, { tier2Limit: 1, tenantLimitShare: null })
  t.match(seen, { stopped: /429/, leftBehind: null, calls: { 2: 2 } })
  t.match(find('token ids'), { status: 'skipped' })
  t.equal(tenant.calls.filter(({ status }) => status === 429).length, 1)
})

t.test('after a 429 to the delete, not even the throw-away token is deleted', async (t) => {
  const { seen, deletes, tenant } = await probed(t, {
    onSecond: (second, { tenant }) => {
      if (second === 0) tenant.order({ kind: 'rate-limited', route: 'revoke' })
    },
  })
  t.match(seen, { stopped: /429/, leftBehind: seen.tokenId })
  t.ok(tenant.tokens.withId(seen.tokenId ?? ''))
  t.equal(deletes.length, 1)
})

t.test('a probe that is interrupted or fails deletes its throw-away token, if it knows it', async (t) => {
  const failed = await probed(t, {
    onSecond: (second, { tenant }) => {
      if (second === 0) tenant.order({ kind: 'reset', route: 'revoke' })
    },
  })
  t.match(failed.seen, { stopped: /No response to DELETE/, leftBehind: null })
  t.same([failed.deletes.length, failed.untouched], [2, true])
  const interrupt = new AbortController()
  const { seen, deletes, untouched } = await probed(t, {
    lagAfterRevokeMs: 60_000,
    interrupt: interrupt.signal,
    onSecond: (second) => {
      if (second === 15) interrupt.abort()
    },
  })
  t.match(seen, { stopped: /^Interrupted, .* Run the probe again/, leftBehind: null })
  t.same([deletes.length, untouched], [1, true])
})

t.test('the command asks first, prints a report, and has exit codes', async (t) => {
  const sandbox = await startSandbox({ lagAfterRevokeMs: 500 })
  t.teardown(() => sandbox.close())
  const client = sandbox.tenant.addClient()
  const environment = environmentFor(sandbox, client, databaseUrl(t))
  const asked = await runCommand(['doctor', '--probe'], environment)
  t.match(asked, { code: 64, stdout: '', stderr: /^Probe tenant default .* Confirm with --yes/ })
  t.equal(sandbox.tenant.calls.length, 0)
  t.match(await runCommand(['doctor', '--yes'], environment), { code: 64, stderr: /apply to --probe/ })
  t.match(await runCommand(['doctor', '--probe', '--tenant', 'marker', '--yes'], environment), { code: 64 })
  t.match(await runCommand(['doctor', '--probe'], {}), { code: 78 })
  const { code, stdout } = await runCommand(['doctor', '--probe', '--yes'], environment)
  t.equal(code, 0)
  t.match(
    stdout,
    /^Probe of tenant default at http:.*\n✔ visible roles: .*\n {4}Curfew assumes: The client sees/,
  )
  t.match(stdout, /✔ second delete: Qlik responds with 404\.\n/)
  t.match(stdout, /\n\d+ tier 1 calls, 4 tier 2 calls\.\n$/)
  const refused = { ...environment, QLIK_CLIENT_SECRET: 'marker' }
  const failed = await runCommand(['doctor', '--probe', '--yes', '--json'], refused)
  t.match([failed.code, JSON.parse(failed.stdout)], [1, { ok: false, stopped: /401/, leftBehind: null }])
  t.notMatch(failed.stdout, 'marker')
})
