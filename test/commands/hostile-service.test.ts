import { createServer } from 'node:http'
import t, { type Test } from 'tap'
import { canonicalJson } from '../../src/base/canonical-json.ts'
import { sha256 } from '../../src/revocation/audit/chain.ts'
import { listen } from '../support/listen.ts'
import { runCommand } from '../support/process.ts'
import { folderWith } from '../support/service.ts'

/** Sets the title of a terminal, turns it red by a C1 control, forges a line, and reverses the direction. */
const EVIL = 'marker\u001b]0;title\u0007\u009b31m\r\nforged line\u202e\u2028'

/** What a revocation, a timeline item, an audit entry, a token, a check and a problem can contain, all hostile. */
const ITEM = {
  ...{ id: EVIL, index: 0, tenant: EVIL, source: EVIL, reason: EVIL, outcome: EVIL, event: EVIL, at: EVIL },
  ...{ name: EVIL, kind: EVIL, detail: EVIL, lastAcceptedAt: EVIL, finding: EVIL, supersededBy: EVIL },
  ...{ estimatedCompletionAt: EVIL, nextAttemptAt: EVIL, oldestQueuedAt: EVIL, remainingTokens: 1 },
  ...{ deviceType: EVIL, lastUsed: EVIL, description: EVIL, clientId: EVIL, address: EVIL },
  lastRejected: { at: EVIL, code: EVIL },
  waitingFor: { what: EVIL, until: EVIL },
  by: { kind: EVIL, name: EVIL },
  details: { reason: EVIL, source: EVIL, error: EVIL, status: EVIL, outcome: EVIL },
  user: { email: EVIL, resolved: [EVIL] },
  tokens: { found: 1, revoked: 1, alreadyGone: 0, kept: 0, remaining: 0 },
  error: { code: EVIL, title: EVIL, detail: EVIL, action: EVIL },
}

function answerTo(status: string, path: string): [number, object | string] {
  const revocation = {
    ...ITEM,
    status,
    verified: false,
    verificationDueAt: status === 'completed' ? EVIL : null,
  }
  if (path === '/metrics')
    return [
      200,
      `curfew_backlog{tenant="${EVIL.replaceAll('\r\n', '')}",status="\u001b[31mmarker"} 1\ncurfew_budget_remaining{tenant="\u001b[31mmarker",client="x",tier="\u001b[31m"} 1\n`,
    ]
  if (path.startsWith('/health/ready'))
    return [200, { status: EVIL, checks: [{ ...ITEM, status: EVIL }], sources: [ITEM] }]
  if (path.startsWith('/status')) return [200, { tenants: [ITEM] }]
  if (path.includes('/timeline'))
    return [
      200,
      {
        items: [
          'signal-accepted',
          'signal-joined',
          'released',
          'revocation-ended',
          'revocation-unverified',
        ].map((event) => ({ ...ITEM, event })),
      },
    ]
  if (path.startsWith('/audit'))
    return [200, { items: [{ entry: { ...ITEM, at: 0, revocation: EVIL }, private: {} }], nextCursor: null }]
  if (path.startsWith('/backups')) return [200, { file: EVIL, bytes: 1 }]
  if (path.startsWith('/logout-hook'))
    return [200, { user: {}, finding: EVIL, tokens: [ITEM], kept: [], truncated: false }]
  if (path.startsWith('/revocations?dryRun'))
    return [200, { items: [{ index: 0, dryRun: { finding: EVIL, tokens: [], kept: [], truncated: false } }] }]
  if (/^\/revocations\/[^/?]+(\/retry)?(\?|$)/.test(path)) return [200, revocation]
  return [200, { items: [{ ...revocation, revocation }], nextCursor: null, more: false }]
}

async function hostileService(t: Test, answer: (path: string) => [number, object | string]) {
  const server = createServer((request, response) => {
    const [status, body] = answer(String(request.url))
    request.resume()
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  const port = await listen(server)
  t.teardown(() => server.close())
  return { CURFEW_URL: `http://127.0.0.1:${port}`, CURFEW_API_KEY: 'test-api-key-0123456789abcdef' }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones that must not appear
const UNPRINTABLE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/

const COMMANDS = [
  ['status'],
  ['tokens', 'u1'],
  ['why', 'u1'],
  ['audit'],
  ['retry', 'x'],
  ['cancel', 'x', '--yes'],
  ['release', '--all', '--yes'],
  ['backup'],
  ['revoke', 'u1'],
  ['revoke', 'u1', '--dry-run'],
  ['doctor'],
]

t.test('no text of a service reaches the terminal as a control character', async (t) => {
  for (const status of ['completed', 'failed', 'queued', 'held', EVIL]) {
    const environment = await hostileService(t, (path) => answerTo(status, path))
    for (const args of status === 'completed'
      ? COMMANDS
      : [
          ['why', 'u1'],
          ['revoke', 'u1'],
        ]) {
      for (const more of status === 'completed' ? [[], ['--json']] : [[]]) {
        const { stdout, stderr } = await runCommand([...args, ...more], environment)
        t.notMatch(stdout + stderr, UNPRINTABLE, [...args, ...more].join(' '))
        t.notMatch(stdout + stderr, /^forged line/m)
        if (['status', 'tokens', 'why', 'audit', 'backup', 'revoke'].includes(args[0] ?? ''))
          t.match(stdout + stderr, 'marker')
      }
    }
  }
})

t.test('nor does a problem that it answers with', async (t) => {
  const problem = { ...ITEM.error, errors: [null, EVIL, { member: EVIL, expected: EVIL }] }
  const environment = await hostileService(t, () => [400, problem])
  for (const args of [...COMMANDS, ['audit', 'export', '-']]) {
    const { code, stdout, stderr } = await runCommand(args, environment)
    t.notMatch(stdout + stderr, UNPRINTABLE, args.join(' '))
    t.notMatch(stdout + stderr, /^forged line/m)
    t.ok(code)
    if (args[0] === 'why') t.match(stderr, /marker.*\n {2}marker.*: marker/)
    t.notMatch(stderr, /at .*\.ts:\d+/)
  }
})

t.test('nor does an export of the audit trail that is verified', async (t) => {
  const parts = { v: 1, writer: EVIL, sequence: 1, previous: null, event: EVIL, details: {}, private: null }
  const entry = canonicalJson(parts)
  const lines = [sha256(entry), '0'.repeat(64)].map(
    (hash) => `{"entry":${entry},"hash":"${hash}","private":null}\n`,
  )
  const folder = folderWith(t, { 'export.jsonl': lines.join('') })
  for (const more of [[], ['--json']]) {
    const { code, stdout, stderr } = await runCommand(['audit', 'verify', `${folder}/export.jsonl`, ...more])
    t.equal(code, 1)
    t.match(stdout, 'marker')
    t.notMatch(stdout + stderr, UNPRINTABLE)
  }
})
