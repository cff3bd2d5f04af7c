import { type ChildProcess, spawn } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { parseEnv } from 'node:util'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config/load-config.ts'
import { clientAssertion } from '../../src/qlik/client-assertion.ts'
import { clientKeyPair } from '../support/client-keys.ts'
import { listen } from '../support/listen.ts'
import { folderWith } from '../support/service.ts'
import type { Json } from './open-sandbox.ts'

const PROGRAM = new URL('../../src/sandbox/main.ts', import.meta.url).pathname

interface Program {
  child: ChildProcess
  stdout: Promise<string>
  stderr: Promise<string>
  /** Exit code, or the signal that ended it. */
  ended: Promise<number | string>
}

/** Starts `npm run sandbox` with these arguments and an IPC channel, on a free port. */
function start(t: Test, ...args: string[]): Program {
  const child = spawn(process.execPath, [PROGRAM, '--port', '0', ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const ended = once(child, 'exit').then(([code, signal]) => code ?? signal)
  t.teardown(() => child.kill('SIGKILL'))
  if (child.stdout === null || child.stderr === null) throw new Error('the program has no output')
  return { child, stdout: text(child.stdout), stderr: text(child.stderr), ended }
}

async function urlOf({ child }: Program): Promise<string> {
  const [message] = await once(child, 'message')
  return message.url
}

async function grant(url: string, client_id: string, client_secret: string): Promise<number> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id, client_secret })
  return (await fetch(`${url}/oauth/token`, { method: 'POST', body })).status
}

async function usersOf(url: string): Promise<Json[]> {
  const state: Json = await (await fetch(`${url}/sandbox/state`)).json()
  return state.users
}

t.test('it prints its address, has three users with tokens, and exits with 0', async (t) => {
  const program = start(t)
  const url = await urlOf(program)
  t.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
  t.equal(await grant(url, 'curfew', 'sandbox-secret'), 200)
  const users = await usersOf(url)
  const people = users.filter((user) => user.clientId === null)
  t.match(people, [
    { email: 'ann@example.com', tokens: 3 },
    { email: 'ben@example.com', tokens: 5 },
    { email: 'cleo@example.com', tokens: 2 },
  ])
  program.child.kill('SIGTERM')
  t.equal(await program.ended, 0)
  const printed = await program.stdout
  for (const word of [url, 'curfew', 'sandbox-secret', 'curl', people[0].id, people[2].email])
    t.match(printed, word)
  t.equal(await program.stderr, '')
})

t.test('it prints the lines for .env that point Curfew at it', async (t) => {
  const program = start(t, '--client-secret', 'my own', '--tier2', '20', '--window', '3000')
  const url = await urlOf(program)
  program.child.kill('SIGTERM')
  const lines = (await program.stdout).split('\n').filter((line) => /^[A-Z][A-Z0-9_]+=/.test(line))
  const config = await loadConfig(parseEnv(lines.join('\n')))
  const credentials = [{ secret: 'my own' }]
  t.match(config, {
    tenants: [
      {
        ...{ origin: url, clients: [{ clientId: 'curfew', credentials }] },
        ...{ tier1Limit: 5_000, tier2Limit: 20, windowMs: 3_000 },
      },
    ],
    senders: { apiKeys: [{}], webhookSecrets: [{}] },
  })
})

t.test('it exits on an interrupt, and when its parent process disconnects', async (t) => {
  const interrupted = start(t, '--no-seed')
  await urlOf(interrupted)
  interrupted.child.kill('SIGINT')
  t.equal(await interrupted.ended, 0)
  const left = start(t)
  await urlOf(left)
  left.child.disconnect()
  t.equal(await left.ended, 0)
})

t.test('it accepts limits and a client, and can start without users', async (t) => {
  const program = start(
    t,
    '--no-seed',
    '--client-id',
    'mine',
    '--client-secret',
    's',
    '--tier2',
    '1',
    '--window',
    '9000',
    '--set',
    'tenantLimitShare=1',
  )
  const url = await urlOf(program)
  t.equal(await grant(url, 'mine', 's'), 200)
  t.equal(await grant(url, 'mine', 's'), 429)
  const users = await usersOf(url)
  t.match(users, [{ clientId: 'mine' }])
  t.equal(users.length, 1)
})

t.test('it reads the secret from a file', async (t) => {
  const folder = folderWith(t, { secret: 'from a file\n' })
  const program = start(t, '--client-secret-file', `${folder}/secret`)
  t.equal(await grant(await urlOf(program), 'curfew', 'from a file'), 200)
})

t.test('its client can have several secrets and public keys, PEM or JWK', async (t) => {
  const [rsa, ec] = [clientKeyPair('RS512'), clientKeyPair('ES384', 'k2')]
  const pem = String(createPublicKey(rsa.privateKey).export({ type: 'spki', format: 'pem' }))
  const folder = folderWith(t, { 'rsa.pem': pem, 'ec.jwk': JSON.stringify(ec.publicKey) })
  const keys = ['rsa.pem', 'ec.jwk'].flatMap((name) => ['--client-public-key-file', `${folder}/${name}`])
  const url = await urlOf(start(t, '--client-secret', 'a', '--client-secret', 'b', ...keys))
  for (const secret of ['a', 'b']) t.equal(await grant(url, 'curfew', secret), 200, secret)
  for (const { credential } of [rsa, ec]) {
    const of = { clientId: 'curfew', audience: `${url}/oauth/token`, now: Date.now() }
    const proof = await clientAssertion(credential, of)
    const body = new URLSearchParams({ grant_type: 'client_credentials', ...proof })
    t.equal((await fetch(`${url}/oauth/token`, { method: 'POST', body })).status, 200, credential.algorithm)
  }
})

t.test('it prints its usage', async (t) => {
  const program = start(t, '--help')
  t.equal(await program.ended, 0)
  t.match(await program.stdout, /--client-secret-file/)
})

t.test('an invalid argument is reported, and it exits with 64', async (t) => {
  const folder = folderWith(t, {
    empty: '\n',
    key: clientKeyPair('ES384').pem.replaceAll('PRIVATE', 'PUBLIC'),
  })
  const sixSecrets = ['a', 'b', 'c', 'd', 'e', 'f'].flatMap((secret) => ['--client-secret', secret])
  const mistakes: [string[], RegExp][] = [
    [['--port', 'x'], /--port: expected a whole number, 0 to 65535; got "x"/],
    [['--tier2', '0'], /--tier2: expected a whole number, 1 or more/],
    [['--speed', '9'], /--speed/],
    [
      ['--client-secret', 'a', '--client-secret-file', 'b'],
      /--client-secret or --client-secret-file, not both/,
    ],
    [['--client-secret-file', `${folder}/none`], /--client-secret-file: ENOENT/],
    [['--client-secret-file', `${folder}/empty`], /secret is empty/],
    [sixSecrets, /up to 5 secrets/],
    [['--client-public-key-file', `${folder}/none`], /--client-public-key-file: ENOENT/],
    [['--client-public-key-file', `${folder}/key`], /expected a public key as PEM or JWK/],
  ]
  for (const [args, message] of mistakes) {
    const program = start(t, ...args)
    t.equal(await program.ended, 64, args.join(' '))
    const told = await program.stderr
    t.match(told, message)
    t.match(told, /Usage:/)
  }
})

t.test('a port in use is reported, and it exits with 69', async (t) => {
  const other = createServer()
  t.teardown(() => other.close())
  const program = start(t, '--port', String(await listen(other)))
  t.equal(await program.ended, 69)
  t.match(await program.stderr, /^curfew sandbox: .*EADDRINUSE/)
})
