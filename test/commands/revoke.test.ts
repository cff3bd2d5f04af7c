import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { until } from '../support/events.ts'
import { bare, MAIN, runCommand } from '../support/process.ts'
import { API_KEY, folderWith, type Service, startService } from '../support/service.ts'

const run = (service: Pick<Service, 'url'>, args: string[], input = '') =>
  runCommand(['revoke', ...args], { CURFEW_URL: service.url, CURFEW_API_KEY: API_KEY }, input)

/** The service with two users who have two tokens each. */
async function start(t: Test) {
  const service = await startService(t)
  const ann = service.userWithTokens(0, { email: 'ann@example.com' })
  const ben = service.userWithTokens(0, { email: 'ben@example.com', subject: 'idp|ben' })
  // Before the command, whose clock is the real one: other tests move the service's ahead.
  for (const { id } of [ann, ben])
    service.sandbox.tenant.issueTokens(id, 2, { issuedAt: Date.now() - 60_000 })
  const tokens = () => [ann, ben].map(({ id }) => service.sandbox.tenant.tokensOf(id).length)
  return { service, ann, ben, tokens }
}

t.test('users are revoked by id, e-mail address and subject; --wait reports the end of each', async (t) => {
  const { service, ann, tokens } = await start(t)
  t.match(await run(service, [ann.id, '--wait']), {
    code: 0,
    stdout:
      /^\w+ {2}completed, revoked, verified \(2 tokens revoked\) .*\n1 revocation ended, 0 problems\.\nBatch: [0-9a-f-]{36}\n$/,
  })
  t.same(tokens(), [0, 2])
  const bySubject = await run(service, ['--subject', 'idp|ben', '--wait', '--json', '--reason', 'logout'])
  t.match(JSON.parse(bySubject.stdout), {
    accepted: 1,
    problems: 0,
    items: [{ user: { subject: 'idp|ben' }, status: 'completed', outcome: 'revoked', verified: true }],
  })
  t.same(tokens(), [0, 0])
  const { batch } = JSON.parse(bySubject.stdout)
  t.match(await service.call('GET', `/batches/${batch}`), { json: { total: 1, verified: 1, done: true } })
  t.match(await run(service, ['ann@example.com', 'ben@example.com']), {
    code: 0,
    stdout: /2 revocations accepted/,
  })
})

t.test('--dry-run reports what would be revoked, and revokes nothing', async (t) => {
  const { service, tokens } = await start(t)
  const { code, stdout } = await run(service, ['ann@example.com', 'nobody@example.com', '--dry-run'])
  t.equal(code, 0)
  t.match(
    stdout,
    /^ann@example\.com {2}exists: 2 to revoke, 0 to keep\nnobody@example\.com {2}no-matching-user: 0 /,
  )
  t.match(stdout, 'Dry run: 2 tokens of 2 users would be revoked. Nothing was done.')
  t.same([tokens(), await service.stored()], [[2, 2], []])
})

t.test('a CSV file is read from a path or standard input, with any heading and separator', async (t) => {
  const { service, ann, tokens } = await start(t)
  const file = join(
    folderWith(t, {
      'users.csv': `\ufeffName;E-Mail;User Id\r\n"A; B";;${ann.id}\r\nBen;ben@example.com;\r\n`,
    }),
    'users.csv',
  )
  t.match(await run(service, ['--file', file, '--wait']), {
    code: 0,
    stdout: /2 revocations ended, 0 problems/,
  })
  t.same(tokens(), [0, 0])
  t.throws(() => statSync(`${file}.progress`), { code: 'ENOENT' }, 'nothing is left of a complete run')
  t.match(await run(service, ['--file', '-', '--dry-run'], 'ann@example.com\n'), {
    code: 0,
    stdout: /of 1 user /,
  })
})

t.test('broken lines are reported by number, and nothing is done unless they are skipped', async (t) => {
  const { service, tokens } = await start(t)
  const csv = `email\nann@example.com\n\nnot an address\n"open\n`
  const file = join(folderWith(t, { 'users.csv': csv }), 'users.csv')
  const { code, stdout, stderr } = await run(service, ['--file', file])
  t.same([code, stdout], [65, ''])
  t.match(stderr, `${file}:4: not an e-mail address\n`)
  t.match(stderr, /users\.csv:[56]: a quote is not closed/)
  t.match(stderr, /\nNothing was done\. Correct 2 lines, or skip them with --skip-invalid\.\n$/)
  t.same([tokens(), await service.stored()], [[2, 2], []])
  t.match(await run(service, ['--file', file, '--skip-invalid', '--wait']), {
    code: 0,
    stderr: /Skipped: 2 lines/,
  })
  t.same(tokens(), [0, 2])
})

t.test('an interrupted run continues when it is run again, with the time of the first one', async (t) => {
  const { service, ann, tokens } = await start(t)
  const file = join(folderWith(t, { 'users.csv': 'email\nann@example.com\nben@example.com\n' }), 'users.csv')
  // Curfew is unreachable after the first user: what a killed run leaves.
  const { json } = await service.call('POST', '/revocations', { body: { users: [{ email: ann.email }] } })
  const settings = { url: service.url, reason: 'security' }
  const head = { run: 'r', occurredAt: '2026-11-27T12:00:00.000Z', settings }
  const line = { user: { email: ann.email }, id: json.items[0].revocation.id }
  writeFileSync(`${file}.progress`, `${JSON.stringify(head)}\n${JSON.stringify(line)}\n{"user":`, {
    mode: 0o600,
  })
  const other = await run(service, ['--file', file, '--reason', 'logout'])
  t.match(other, { code: 64, stderr: /An earlier run with other options was interrupted/ })
  const again = await run(service, ['--file', file, '--wait'])
  t.match(again, {
    code: 0,
    stderr: /^Resuming: 1 user of 2 were already sent\./,
    stdout: /2 revocations ended.*\nBatch: r\n$/,
  })
  t.match((await service.call('GET', '/batches/r')).json, { total: 1 }, 'the same batch continues')
  const [newest] = await service.stored()
  t.match(newest, { user: { email: 'ben@example.com' }, occurredAt: head.occurredAt })
  t.equal((await service.stored()).length, 2)
  t.same(tokens(), [0, 0])
})

t.test('a file with more users than a batch has room for is refused as a whole', async (t) => {
  const { service } = await start(t)
  const csv = Array.from({ length: 99_001 }, (_, index) => `u${index}`).join('\n')
  const { code, stderr } = await run(service, ['--file', '-'], csv)
  t.equal(code, 65)
  t.match(stderr, /^The file names more than 99,000 users\. Split it into files of up to 99,000 users\.\n$/)
  t.same(await service.stored(), [])
})

t.test('a progress file that others can write, or that is a link, is not accepted', async (t) => {
  const { service, tokens } = await start(t)
  const folder = folderWith(t, { 'users.csv': 'ann@example.com\n', 'other.progress': '' })
  const file = join(folder, 'users.csv')
  const settings = { url: service.url, reason: 'security' }
  const head = JSON.stringify({ run: 'r', occurredAt: '2026-11-27T12:00:00.000Z', settings })
  const line = JSON.stringify({ user: { email: 'ann@example.com' }, id: 'none' })
  writeFileSync(`${file}.progress`, `${head}\n${line}\n`)
  chmodSync(`${file}.progress`, 0o666)
  t.match(await run(service, ['--file', file]), { code: 65, stderr: /not a file that only you can write/ })
  rmSync(`${file}.progress`)
  symlinkSync(join(folder, 'other.progress'), `${file}.progress`)
  t.match(await run(service, ['--file', file]), { code: 65, stderr: /not a file that only you can write/ })
  rmSync(`${file}.progress`)
  mkdirSync(`${file}.progress`)
  t.match(await run(service, ['--file', file]), { code: 65 })
  const readOnly = folderWith(t, { 'users.csv': 'ann@example.com\n' })
  chmodSync(readOnly, 0o500)
  t.teardown(() => chmodSync(readOnly, 0o700))
  if (process.getuid?.() !== 0)
    t.match(await run(service, ['--file', join(readOnly, 'users.csv')]), {
      code: 65,
      stderr: /Nothing was done/,
    })
  t.same([tokens(), await service.stored()], [[2, 2], []])
})

t.test('an unreachable service, an invalid key and a missing key say what to do', async (t) => {
  const { service } = await start(t)
  const file = join(folderWith(t, { 'users.csv': 'ann@example.com\n' }), 'users.csv')
  const environment = { CURFEW_URL: service.url, CURFEW_API_KEY: 'marker-0123456789abcdefghij' }
  const wrong = await runCommand(['revoke', 'ann@example.com'], environment)
  t.match(wrong, { code: 77, stderr: /^CURFEW_UNAUTHENTICATED: / })
  t.notMatch(wrong.stderr, 'marker')
  t.match(await runCommand(['revoke', 'u1'], { CURFEW_URL: service.url }), {
    code: 78,
    stderr: /CURFEW_API_KEY/,
  })
  t.match(await run(service, []), { code: 64, stderr: /Usage: curfew revoke/ })
  await service.app.close()
  const away = await run(service, ['--file', file])
  t.match(away, { code: 69, stderr: /^ECONNREFUSED: .*\nCheck that Curfew runs/ })
  t.equal(statSync(`${file}.progress`).mode & 0o777, 0o600)
  t.equal(readFileSync(`${file}.progress`, 'utf8').split('\n').length, 2, 'a later run continues')
})

t.test('Ctrl-C leaves a file to resume from, and exits with 130', async (t) => {
  const { service, tokens } = await start(t)
  const file = join(folderWith(t, { 'users.csv': 'ann@example.com\nben@example.com\n' }), 'users.csv')
  const environment = { CURFEW_URL: service.url, CURFEW_API_KEY: API_KEY }
  const args = ['revoke', '--file', file, '--wait']
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: bare(environment),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const output = text(child.stderr)
  await until('both users are accepted', async () => contentOf(`${file}.progress`).split('\n').length === 4)
  child.kill('SIGINT')
  t.same(await once(child, 'close'), [130, null])
  t.match(
    await output,
    /^Interrupted: Curfew has accepted 2 of 2 users, and continues with them\. Run the same command again/,
  )
  t.match(await run(service, ['--file', file, '--wait', '--json']), { code: 0, stdout: /"problems": 0/ })
  t.same(tokens(), [0, 0])
  t.equal((await service.stored()).length, 2, 'each user was sent once')
})

function contentOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}
