import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { signWebhook } from '../base/standard-webhooks.ts'
import { curfewEnvironment, envLines } from './curfew-environment.ts'
import { type DemoArguments, demoHelp, readDemoArguments } from './demo-arguments.ts'
import { type Part, type Program, startPart } from './demo-parts.ts'
import { curlCommands, heading, json, say, step, tokenTable } from './demo-texts.ts'

/**
 * Runs a sandbox tenant and the real service as two processes, logs two users out, and proves that their tokens are gone
 * and no others. Sets the exit code 1 if something is not proven. `--keep` leaves both running.
 * @param program how the demo was called, for messages
 */
export async function demoCommand(given: string[], program: string): Promise<void> {
  const args = argumentsIn(given, program)
  if (!args) return
  const folder = mkdtempSync(join(tmpdir(), 'curfew-demo-'))
  const started: Part[] = []
  try {
    await demo(args, { folder, started, program })
  } finally {
    await Promise.all(started.map((part) => part.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Null if there is nothing left to do. */
function argumentsIn(given: string[], program: string) {
  const help = demoHelp(program)
  try {
    const args = readDemoArguments(given)
    if (!args.help) return args
    process.stdout.write(help)
  } catch (error) {
    process.stderr.write(`curfew demo: ${error instanceof Error ? error.message : error}\n\n${help}`)
    // sysexits.h: EX_USAGE
    process.exitCode = 64
  }
  return null
}

interface Run {
  /** For the database. */
  folder: string
  /** The processes to stop at the end. */
  started: Part[]
  program: string
}

async function demo(args: DemoArguments, { folder, started: parts, program }: Run): Promise<void> {
  const { 'api-key': apiKey, 'webhook-secret': webhookSecret, 'client-secret': clientSecret } = args
  const start = async (name: Program, given: string[], environment?: Record<string, string>) => {
    const part = { ...(await startPart(name, given, environment)), apiKey }
    parts.push(part)
    return part
  }
  step('Start a sandbox tenant and Curfew, each as its own process')
  const tenant = await start('sandbox', [
    ...['--port', args['sandbox-port'], '--client-secret', clientSecret, '--latency', '20', '--no-idp'],
  ])
  const { url } = tenant
  const environment = curfewEnvironment({ url, clientId: 'curfew', clientSecret, webhookSecret, apiKey })
  const curfew = await start('curfew', [], {
    ...environment,
    DATABASE_URL: `sqlite:${join(folder, 'curfew.db')}`,
    LOG_LEVEL: 'warn',
    PORT: args.port,
  })
  const { status } = await get(curfew, '/health/ready')
  say(`Tenant: ${tenant.url}   Curfew: ${curfew.url} (${status})`)

  const people = await peopleOf(tenant)
  const [ann, ben, cleo] = people
  if (!ann || !ben || !cleo) throw new Error('The sandbox has no users.')
  const annsToken = await tokenOf(tenant, ann.id)
  say(tokenTable('before', people))
  say(`Ann opens an app with one of her tokens: status ${await useToken(tenant, annsToken)}`)

  step('Ann logs out of the web application: a signed webhook with her e-mail address')
  const signedAt = performance.now()
  const logout = await postLogout(curfew, webhookSecret, { email: ann.email, reason: 'logout' })
  const accepted = performance.now() - signedAt
  await get(curfew, `/revocations/${logout.id}`, 'wait=30')
  const completed = performance.now() - signedAt
  say(`accepted and on disk:  ${accepted.toFixed(0)} ms after the logout`)
  say(`completed, no token listed:  ${completed.toFixed(0)} ms (each call to the tenant takes 20 ms)`)
  say('A token issued in the same seconds may be listed late. Curfew lists the tokens again …')
  const ended = await verified(curfew, logout.id)
  say(`verified by a second listing after the leeway:  ${(performance.now() - signedAt).toFixed(0)} ms`)
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
  if (!args.keep) return say(`\nBoth processes exit now. To keep them running: ${program} --keep`)
  say(
    `\nTo point a Curfew of your own at this tenant, paste these lines into .env:\n\n${envLines(environment)}`,
  )
  say('\nBoth processes run until you press Ctrl+C.')
  await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve))
}

interface DemoPart extends Part {
  apiKey: string
}

interface Person {
  id: string
  email: string
  tokens: number
}

// biome-ignore lint/suspicious/noExplicitAny: the demo only prints responses
type Json = any

async function call(
  { url, apiKey }: DemoPart,
  path: string,
  { headers, ...init }: RequestInit = {},
): Promise<Json> {
  const response = await fetch(`${url}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${apiKey}`, ...headers },
  })
  const answer: Json = await response.json()
  if (!response.ok) throw new Error(`${path} returned ${response.status}: ${json(answer)}`)
  return answer
}

function get(part: DemoPart, path: string, prefer = ''): Promise<Json> {
  return call(part, path, { headers: { prefer } })
}

/** Waits until a revocation has ended and a second listing has confirmed it. */
async function verified(curfew: DemoPart, id: string): Promise<Json> {
  for (;;) {
    const revocation = await get(curfew, `/revocations/${id}`, 'wait=30')
    if (revocation.status === 'failed' || (isCompleted(revocation) && revocation.verificationDueAt === null))
      return revocation
  }
}

function postLogout(curfew: DemoPart, webhookSecret: string, body: object): Promise<Json> {
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

async function peopleOf(tenant: DemoPart): Promise<Person[]> {
  const { users } = await get(tenant, '/sandbox/state')
  return users.filter(({ email }: Person) => email)
}

async function tokenOf(tenant: DemoPart, userId: string): Promise<string> {
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
  const [color, mark] = holds ? (['green', '✔'] as const) : (['red', '✘'] as const)
  say(`${styleText(color, mark, { stream: process.stdout })} ${statement}`)
  if (!holds) process.exitCode = 1
}
