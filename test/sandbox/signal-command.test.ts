import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { UsageError } from '../../src/base/errors.ts'
import { openIdentityProvider } from '../../src/sandbox/identity-provider/identity-provider.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { runSignalCommand } from '../../src/sandbox/signal-command.ts'
import { mistakesIn } from '../support/config-file.ts'
import { startWithSources } from '../support/source-service.ts'

t.jobs = 1
const PROGRAM = new URL('../../src/sandbox/main.ts', import.meta.url).pathname

// biome-ignore lint/suspicious/noExplicitAny: a test's view of JSON
type Json = any

/** Runs `send` or `rotate` in this process. */
async function run(...args: string[]): Promise<{ code: number; output: string }> {
  let output = ''
  const code = await runSignalCommand(args, (text) => {
    output += text
  })
  return { code, output }
}

/** A sandbox with an identity provider and the user Ann. */
async function openSandbox(t: Test) {
  const provider = await openIdentityProvider()
  const { url, tenant, close } = await startSandbox({ control: true }, provider)
  t.teardown(async () => {
    provider.close()
    await close()
  })
  tenant.addUser({ email: 'ann@example.com', subject: 'idp|ann' })
  return { url, provider }
}

/** The program as its own process. */
async function startProgram(t: Test, ...args: string[]) {
  const child = spawn(process.execPath, [PROGRAM, '--port', '0', ...args], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const output = text(child.stdout as NonNullable<typeof child.stdout>)
  const [{ url }] = await once(child, 'message')
  return { url: String(url), child, output }
}

t.test('send prints what Curfew answers, and the exit code says whether that was expected', async (t) => {
  const { url, provider } = await openSandbox(t)
  const service = await startWithSources(t, provider.sources)
  service.userWithTokens(3, { email: 'ann@example.com', subject: 'idp|ann' })
  const send = (...args: string[]) => run('send', ...args, '--sandbox', url, '--curfew', service.url)
  const valid = await send('oidc-back-channel-logout', '--user', 'ann@example.com')
  t.match(valid, { code: 0, output: /accepted, 200: Curfew stored the signal/ })
  const [revocation] = await service.stored()
  t.match(revocation, { user: { subject: 'idp|ann' }, source: 'oidc-back-channel-logout' })

  const forged = await send('clerk', '--forgery', 'another-secret', '--verbose')
  t.match(forged, { code: 0, output: /rejected, 401: CURFEW_SOURCE_UNPROVEN: [^.]*[^.]\. Operators: / })
  t.match(forged.output, /svix-signature: v1,[\s\S]*"type":"session.ended"/)

  const all = await send('global-token-revocation', '--forgery', 'all')
  t.match(all, { code: 0 })
  t.ok(all.output.split('rejected, 401').length > 25, all.output)

  const polled = await send('shared-signals', '--poll')
  t.match(polled, { code: 0, output: /shared-signals-poll[\s\S]*accepted: Curfew acknowledged/ })

  const changed = await send('oidc-back-channel-logout', '--claim', 'exp=null', '--header', 'typ=JWT')
  t.match(changed, { code: 1, output: /^! rejected, 400: invalid_request: .*exp/m })
  const body = await send('clerk', '--body', '{"type":"session.created"}')
  t.match(body, { code: 0, output: /accepted, 204/ })
  t.equal((await service.stored()).length, 2)
})

t.test('send lists forgeries, and rotate changes the key', async (t) => {
  const { url, provider } = await openSandbox(t)
  const list = await run('send', 'shared-signals', '--forgery', 'list', '--sandbox', url)
  t.match(list, { code: 0, output: /^alg-none$[\s\S]*^two-events$/m })
  const kids = async () => {
    const { keys }: Json = await (await fetch(provider.issuer.jwksUri)).json()
    return keys.map(({ kid }: { kid: string }) => kid)
  }
  const [old] = await kids()
  const rotated = await run('rotate', '--sandbox', url)
  const [kid] = /[0-9a-f-]{36}/.exec(rotated.output) ?? []
  t.same(await kids(), [old, kid])
  t.equal((await run('rotate', '--withdraw', '--sandbox', url)).code, 0)
  t.equal((await kids()).length, 1)
})

t.test('the sandbox prints the sources for CONFIG_FILE', async (t) => {
  const secret = `whsec_${createHash('sha256').update('of this test').digest('base64')}`
  const { url, child, output } = await startProgram(t, '--source-secret', secret)
  const served: Json = await (await fetch(`${url}/sandbox/sources`)).json()
  child.kill('SIGTERM')
  const printed = JSON.parse(`{${/^ {2}("sources": [\s\S]*?^ {2}\])/m.exec(await output)?.[1]}}`)
  t.same(printed, served)
  t.same(await mistakesIn(t, printed), [], 'Curfew accepts them')
  t.match(served.sources.at(-1), { kind: 'generic', secret })
})

t.test('without an identity provider, there are no sources', async (t) => {
  const { url, child, output } = await startProgram(t, '--no-idp')
  t.equal((await fetch(`${url}/sandbox/sources`)).status, 404)
  child.kill('SIGTERM')
  t.notMatch(await output, /Identity provider|sources/)
})

t.test('a mistake in the command is reported', async (t) => {
  const { url } = await openSandbox(t)
  const mistakes: [string[], RegExp][] = [
    [['send'], /expected one kind: oidc-back-channel-logout/],
    [['send', 'nobody'], /kind/],
    [['send', 'clerk', '--forgery', 'alg-none'], /no forgery alg-none.*another-secret/],
    [['send', 'clerk', '--claim', 'exp'], /--claim: expected <name>=<value>/],
    [['send', 'clerk', '--body', '{'], /--body: expected JSON/],
    [['send', 'clerk', '--nonsense'], /--nonsense/],
  ]
  for (const [args, message] of mistakes) {
    const error = await run(...args, '--sandbox', url).catch((error) => error)
    t.ok(error instanceof UsageError, args.join(' '))
    t.match(error.message, message)
  }
  t.match(await run('send', '--help'), { code: 0, output: /Usage: npm run sandbox -- send/ })
  const gone = run('send', 'clerk', '--sandbox', 'http://127.0.0.1:1')
  await t.rejects(gone, /sandbox is not running at http:\/\/127\.0\.0\.1:1/)
})

t.test('the program runs the commands', async (t) => {
  const program = (...args: string[]) =>
    new Promise((resolve) => {
      execFile(process.execPath, [PROGRAM, ...args], (error, stdout, stderr) => {
        resolve({ code: error?.code ?? 0, stdout, stderr })
      })
    })
  const { url } = await openSandbox(t)
  const sent = await program('send', 'clerk', '--sandbox', url, '--curfew', 'http://127.0.0.1:1')
  t.match(sent, { code: 1, stdout: /^! unavailable: There is no answer from/m, stderr: '' })
  const wrong = await program('send')
  t.match(wrong, { code: 64, stdout: '', stderr: /expected one kind[\s\S]*Usage: npm run sandbox -- send/ })
  t.match(await program('--source-secret', 'short'), { code: 64, stderr: /--source-secret: expected whsec_/ })
})
