import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Part, startPart } from './demo-parts.ts'
import { byHand, HELP, heading, json, say, step, tokenTable } from './demo-texts.ts'
import { signWebhook } from './sign-webhook.ts'

/**
 * `npm run demo`: a sandbox tenant and the real service as two processes, two logouts, and the proof that they
 * did what they should and nothing else. Exits with 0 when all of it is proven; `-- --keep` leaves both running.
 */
const { keep, help } = parseArgs({
  options: { keep: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
}).values
if (help) {
  say(HELP)
  process.exit(0)
}
const folder = mkdtempSync(join(tmpdir(), 'curfew-demo-'))
const webhookSecret = `whsec_${randomBytes(32).toString('base64')}`
const apiKey = randomBytes(24).toString('base64url')
const parts: Part[] = []

try {
  await demo()
} finally {
  await Promise.all(parts.map((part) => part.stop()))
  rmSync(folder, { recursive: true, force: true })
}

async function demo(): Promise<void> {
  step('Starting a sandbox tenant and Curfew, each as a process of its own')
  const tenant = await startPart('src/sandbox/main.ts', ['--port', '0', '--latency', '20'])
  parts.push(tenant)
  const curfew = await startPart('src/main.ts', [], {
    QLIK_TENANT_URL: tenant.url,
    QLIK_CLIENT_ID: 'curfew',
    QLIK_CLIENT_SECRET: 'sandbox-secret',
    WEBHOOK_SECRETS: webhookSecret,
    API_KEYS: apiKey,
    DATABASE_URL: `sqlite:${join(folder, 'curfew.db')}`,
    LOG_LEVEL: 'warn',
    PORT: '0',
  })
  parts.push(curfew)
  const { status } = await get(curfew, '/health/ready')
  say(`tenant ${tenant.url}   Curfew ${curfew.url}   ${status}`)

  const people = await peopleOf(tenant)
  const [ann, ben, cleo] = people
  if (!ann || !ben || !cleo) throw new Error('The sandbox has not been seeded.')
  const annsToken = await tokenOf(tenant, ann.id)
  say(tokenTable('before', people))
  say(`Ann opens an app with one of her tokens: ${await useToken(tenant, annsToken)}`)

  step('Ann logs out of the web application: a signed webhook, by her e-mail address')
  const started = performance.now()
  const logout = await postLogout(curfew, { email: ann.email, reason: 'logout' })
  const accepted = performance.now() - started
  await get(curfew, `/revocations/${logout.id}`, 'wait=30')
  const completed = performance.now() - started
  say(`accepted, on disk:  ${accepted.toFixed(0)} ms after the logout`)
  say(`completed, no token left in the list:  ${completed.toFixed(0)} ms (the tenant takes 20 ms per call)`)
  say('A token that is granted in the same seconds may be listed late. Curfew lists once more …')
  const ended = await verified(curfew, logout.id)
  say(`verified, by a second list after the leeway:  ${(performance.now() - started).toFixed(0)} ms`)
  say(json(ended))

  step('Somebody ends all of Ben’s access: POST /users/{id}/revoke-all with an API key')
  const { id } = await call(curfew, `/users/${ben.id}/revoke-all`, {
    method: 'POST',
    headers: { prefer: 'wait=30' },
  })
  const revokeAll = await verified(curfew, id)
  say(json(revokeAll))

  step('The proof')
  const after = await peopleOf(tenant)
  say(tokenTable('after', after))
  const left = new Map(after.map(({ id, tokens }) => [id, tokens]))
  prove('Ann and Ben have no token left', left.get(ann.id) === 0 && left.get(ben.id) === 0)
  prove('Cleo’s tokens are untouched', cleo.tokens > 0 && left.get(cleo.id) === cleo.tokens)
  prove('both revocations are completed and verified', [ended, revokeAll].every(isVerified))
  prove(
    'the tenant answers 401 to the token that Ann used before',
    (await useToken(tenant, annsToken)) === 401,
  )

  heading('Try it by hand')
  say(byHand({ curfewUrl: curfew.url, tenantUrl: tenant.url, apiKey, webhookSecret, userId: cleo.id }))
  if (!keep) return say('\nBoth processes end now. With `npm run demo -- --keep` they stay.')
  say('\nBoth processes run until Ctrl+C.')
  await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve))
}

interface Person {
  id: string
  email: string
  tokens: number
}

// biome-ignore lint/suspicious/noExplicitAny: the demo only shows what it is answered
type Json = any

async function call({ url }: Part, path: string, { headers, ...init }: RequestInit = {}): Promise<Json> {
  const response = await fetch(`${url}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${apiKey}`, ...headers },
  })
  const answer: Json = await response.json()
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${json(answer)}`)
  return answer
}

function get(part: Part, path: string, prefer = ''): Promise<Json> {
  return call(part, path, { headers: { prefer } })
}

/** Waits for the end of a revocation, then for the list that confirms it. */
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
