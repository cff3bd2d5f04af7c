import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { curfewEnvironment, envLines } from './curfew-environment.ts'
import { HELP, readDemoArguments } from './demo-arguments.ts'
import { type Part, startPart } from './demo-parts.ts'
import { curlCommands, heading, json, say, step, tokenTable } from './demo-texts.ts'
import { signWebhook } from './sign-webhook.ts'

/**
 * `npm run demo`: runs a sandbox tenant and the real service as two processes, logs two users out, and proves that their
 * tokens are gone and no others. Exits with 0 if everything is proven. `--keep` leaves both running.
 */
const args = readArguments()
const { 'api-key': apiKey, 'webhook-secret': webhookSecret, 'client-secret': clientSecret } = args
const folder = mkdtempSync(join(tmpdir(), 'curfew-demo-'))
const parts: Part[] = []

try {
  await demo()
} finally {
  await Promise.all(parts.map((part) => part.stop()))
  rmSync(folder, { recursive: true, force: true })
}

function readArguments() {
  try {
    const args = readDemoArguments(process.argv.slice(2))
    if (!args.help) return args
    process.stdout.write(HELP)
    process.exit(0)
  } catch (error) {
    process.stderr.write(`curfew demo: ${error instanceof Error ? error.message : error}\n\n${HELP}`)
    // sysexits.h: EX_USAGE
    process.exit(64)
  }
}

async function demo(): Promise<void> {
  step('Start a sandbox tenant and Curfew, each as its own process')
  const tenant = await startPart('src/sandbox/main.ts', [
    ...['--port', args['sandbox-port'], '--client-secret', clientSecret, '--latency', '20', '--no-idp'],
  ])
  parts.push(tenant)
  const { url } = tenant
  const environment = curfewEnvironment({ url, clientId: 'curfew', clientSecret, webhookSecret, apiKey })
  const curfew = await startPart('src/main.ts', [], {
    ...environment,
    DATABASE_URL: `sqlite:${join(folder, 'curfew.db')}`,
    LOG_LEVEL: 'warn',
    PORT: args.port,
  })
  parts.push(curfew)
  const { status } = await get(curfew, '/health/ready')
  say(`Tenant: ${tenant.url}   Curfew: ${curfew.url} (${status})`)

  const people = await peopleOf(tenant)
  const [ann, ben, cleo] = people
  if (!ann || !ben || !cleo) throw new Error('The sandbox has no users.')
  const annsToken = await tokenOf(tenant, ann.id)
  say(tokenTable('before', people))
  say(`Ann opens an app with one of her tokens: status ${await useToken(tenant, annsToken)}`)

  step('Ann logs out of the web application: a signed webhook with her e-mail address')
  const started = performance.now()
  const logout = await postLogout(curfew, { email: ann.email, reason: 'logout' })
  const accepted = performance.now() - started
  await get(curfew, `/revocations/${logout.id}`, 'wait=30')
  const completed = performance.now() - started
  say(`accepted and on disk:  ${accepted.toFixed(0)} ms after the logout`)
  say(`completed, no token listed:  ${completed.toFixed(0)} ms (each call to the tenant takes 20 ms)`)
  say('A token issued in the same seconds may be listed late. Curfew lists the tokens again …')
  const ended = await verified(curfew, logout.id)
  say(`verified by a second listing after the leeway:  ${(performance.now() - started).toFixed(0)} ms`)
  say(json(ended))

  step('An administrator revokes all of Ben’s tokens: POST /users/{id}/revoke-all with an API key')
  const { id } = await call(curfew, `/users/${ben.id}/revoke-all`, {
    method: 'POST',
    headers: { prefer: 'wait=30' },
  })
  const revokeAll = await verified(curfew, id)
  say(json(revokeAll))

  step('Prove the result')
  const after = await peopleOf(tenant)
  say(tokenTable('after', after))
  const left = new Map(after.map(({ id, tokens }) => [id, tokens]))
  prove('Ann and Ben have no token left', left.get(ann.id) === 0 && left.get(ben.id) === 0)
  prove('Cleo’s tokens are unchanged', cleo.tokens > 0 && left.get(cleo.id) === cleo.tokens)
  prove('both revocations are completed and verified', [ended, revokeAll].every(isVerified))
  prove(
    'the tenant rejects the token that Ann used before (401)',
    (await useToken(tenant, annsToken)) === 401,
  )

  heading('Try it yourself')
  say(curlCommands({ curfewUrl: curfew.url, tenantUrl: tenant.url, apiKey, webhookSecret, userId: cleo.id }))
  if (!args.keep) return say('\nBoth processes exit now. To keep them running: npm run demo -- --keep')
  say(
    `\nTo point a Curfew of your own at this tenant, paste these lines into .env:\n\n${envLines(environment)}`,
  )
  say('\nBoth processes run until you press Ctrl+C.')
  await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve))
}

interface Person {
  id: string
  email: string
  tokens: number
}

// biome-ignore lint/suspicious/noExplicitAny: the demo only prints responses
type Json = any

async function call({ url }: Part, path: string, { headers, ...init }: RequestInit = {}): Promise<Json> {
  const response = await fetch(`${url}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${apiKey}`, ...headers },
  })
  const answer: Json = await response.json()
  if (!response.ok) throw new Error(`${path} returned ${response.status}: ${json(answer)}`)
  return answer
}

function get(part: Part, path: string, prefer = ''): Promise<Json> {
  return call(part, path, { headers: { prefer } })
}

/** Waits until a revocation has ended and a second listing has confirmed it. */
async function verified(curfew: Part, id: string): Promise<Json> {
  for (;;) {
    const revocation = await get(curfew, `/revocations/${id}`, 'wait=30')
    if (revocation.status === 'failed' || (isCompleted(revocation) && revocation.verificationDueAt === null))
      return revocation
  }
}

function postLogout(curfew: Part, body: object): Promise<Json> {
  const content = JSON.stringify(body)
  const headers = signWebhook({
    secret: webhookSecret,
    id: `msg_${randomUUID()}`,
    body: content,
    now: Date.now(),
  })
  return call(curfew, '/logout-hook', {
    method: 'POST',
    body: content,
    headers: { 'content-type': 'application/json', ...headers },
  })
}

async function peopleOf(tenant: Part): Promise<Person[]> {
  const { users } = await get(tenant, '/sandbox/state')
  return users.filter(({ email }: Person) => email)
}

async function tokenOf(tenant: Part, userId: string): Promise<string> {
  const { tokens } = await get(tenant, `/sandbox/users/${userId}/tokens`)
  return tokens[0].accessToken
}

async function useToken({ url }: Part, accessToken: string): Promise<number> {
  const { status } = await fetch(`${url}/api/v1/items`, {
    headers: { authorization: `Bearer ${accessToken}` },
  })
  return status
}

function isCompleted({ status }: { status: string }): boolean {
  return status === 'completed'
}

function isVerified(revocation: { status: string; verified: boolean }): boolean {
  return isCompleted(revocation) && revocation.verified
}

function prove(statement: string, holds: boolean): void {
  say(`${holds ? '✔' : '✘'} ${statement}`)
  if (!holds) process.exitCode = 1
}
