import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent } from 'undici'
import { z } from 'zod'
import { signWebhook } from '../src/base/standard-webhooks.ts'
import { START_FLAGS } from '../test/support/start-flags.ts'

export const API_KEY = randomBytes(24).toString('hex')
const WEBHOOK_SECRET = `whsec_${randomBytes(24).toString('base64')}`
export const CLIENT = { id: 'bench', secret: randomBytes(24).toString('hex') }

const ANSWERED_WITHIN_MS = 30_000
const STOPPED_WITHIN_MS = 15_000

/** One line of the table. */
export interface Figure {
  name: string
  measured: string
  aim: string
  met: boolean
  /** How it was measured, and what readers should know about it. */
  note: string
}

/** The resources of a bench, closed in reverse order even after an error. */
export interface Bench {
  /** A folder on disk, deleted at the end. */
  folder: string
  onEnd(close: () => Promise<unknown> | unknown): void
}

/** Runs `work`, then closes everything that it opened. */
export async function withBench<T>(work: (bench: Bench) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-bench-'))
  const closers: (() => Promise<unknown> | unknown)[] = [
    () => rmSync(folder, { recursive: true, force: true }),
  ]
  try {
    return await work({ folder, onEnd: (close) => void closers.push(close) })
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

/** Running children, which are killed if the bench is interrupted. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143))

export interface Child {
  url: string
  process: ChildProcess
  stop(): Promise<void>
}

const Listening = z.object({ url: z.string() })

/** Starts a child process, which is ready when it sends its URL. Its output goes to a file, as in production. */
export async function startChild(
  bench: Bench,
  script: string,
  {
    args = [],
    environment = {},
    nodeFlags = [],
  }: { args?: string[]; environment?: Record<string, string>; nodeFlags?: string[] } = {},
): Promise<Child> {
  const output = openSync(join(bench.folder, `${script.replaceAll('/', '-')}.log`), 'a')
  const child = fork(join(import.meta.dirname, '..', script), args, {
    env: { PATH: process.env.PATH, ...environment },
    execArgv: nodeFlags,
    stdio: ['ignore', output, 'inherit', 'ipc'],
  })
  closeSync(output)
  running.add(child)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  ended.then(() => running.delete(child))
  const stop = async () => {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOPPED_WITHIN_MS)
    await ended
    clearTimeout(timer)
  }
  bench.onEnd(stop)
  const { url } = Listening.parse(await messageOf(child))
  return { url, process: child, stop }
}

/** Sends a message to a child and returns its answer. One at a time. */
export function ask(
  { process: child }: Child,
  order: object,
  withinMs = ANSWERED_WITHIN_MS,
): Promise<unknown> {
  const answer = messageOf(child, withinMs)
  child.send(order)
  return answer
}

/** The next message of a child. Rejects if the child ends first or takes too long. */
function messageOf(child: ChildProcess, withinMs = ANSWERED_WITHIN_MS): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => settle(() => reject(new Error(`A child ended with ${code}.`)))
    const onMessage = (message: unknown) => settle(() => resolve(message))
    const timer = setTimeout(() => settle(() => reject(new Error('A child does not answer.'))), withinMs)
    const settle = (then: () => void) => {
      clearTimeout(timer)
      child.off('exit', onExit).off('message', onMessage)
      then()
    }
    child.once('exit', onExit).once('message', onMessage)
  })
}

/** A limit that no figure reaches, if the rate limit is not what is measured. */
export const UNLIMITED = 1_000_000

/** As `npm start` sets it. */
const COMPILED = join(import.meta.dirname, '../node_modules/.cache/node-compile')

/** Starts the service as in production: `src/main.ts` in its own process, with the flags of `npm start`, logging at info. */
export function startService(
  bench: Bench,
  tenantUrl: string,
  environment: Record<string, string> = {},
): Promise<Child> {
  return startChild(bench, 'src/main.ts', {
    environment: { NODE_COMPILE_CACHE: COMPILED, ...serviceEnvironment(bench, tenantUrl, environment) },
    nodeFlags: START_FLAGS,
  })
}

export function serviceEnvironment(
  bench: Bench,
  tenantUrl: string,
  more: Record<string, string>,
): Record<string, string> {
  return {
    QLIK_TENANT_URL: tenantUrl,
    QLIK_CLIENT_ID: CLIENT.id,
    QLIK_CLIENT_SECRET: CLIENT.secret,
    QLIK_TIER1_LIMIT: String(UNLIMITED),
    QLIK_TIER2_LIMIT: String(UNLIMITED),
    API_KEYS: API_KEY,
    WEBHOOK_SECRETS: WEBHOOK_SECRET,
    // The largest: users are counted, but never held.
    MASS_REVOCATION_USERS: '500000',
    DATABASE_URL: `sqlite:${join(bench.folder, `${randomUUID()}.db`)}`,
    PORT: '0',
    LOG_LEVEL: 'info',
    ...more,
  }
}

export interface SignedRequest {
  body: string
  headers: Record<string, string>
}

/** A logout of a new user, signed according to Standard Webhooks, for the first tenant by default. */
export function signedLogout(userId: string = randomUUID(), tenant?: string): SignedRequest {
  const body = JSON.stringify({ userId, tenant, reason: 'logout', occurredAt: new Date().toISOString() })
  const signed = signWebhook({ secret: WEBHOOK_SECRET, id: `msg_${randomUUID()}`, body, now: Date.now() })
  return { body, headers: { 'content-type': 'application/json', ...signed } }
}

export interface Reply {
  status: number
  json: unknown
}

/** Idle connections close by themselves, so there is nothing to clean up. */
const agent = new Agent({ headersTimeout: 120_000, bodyTimeout: 120_000 })

export async function request(
  url: string,
  method: 'GET' | 'POST',
  path: string,
  { body, headers = {} }: { body?: object | string | undefined; headers?: Record<string, string> } = {},
): Promise<Reply> {
  const answer = await agent.request({
    origin: url,
    path,
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    body: typeof body === 'object' ? JSON.stringify(body) : (body ?? null),
  })
  const text = await answer.body.text()
  const isJson = String(answer.headers['content-type'] ?? '').includes('json')
  return { status: answer.statusCode, json: isJson ? JSON.parse(text) : text }
}

/** Sends a request with the API key. */
export function call(
  url: string,
  method: 'GET' | 'POST',
  path: string,
  options: { body?: object; headers?: Record<string, string> } = {},
): Promise<Reply> {
  const headers = { authorization: `Bearer ${API_KEY}`, ...options.headers }
  return request(url, method, path, { ...options, headers })
}

/** A revocation after the first listing without a token in scope. Another listing verifies it seconds later. */
const Completed = z.object({
  id: z.string(),
  status: z.literal('completed'),
  tokens: z.object({ revoked: z.int(), alreadyGone: z.int() }),
  acceptedAt: z.iso.datetime(),
  completedAt: z.iso.datetime(),
  verificationDueAt: z.iso.datetime().nullable(),
})
export type Completed = z.infer<typeof Completed>
const Verified = Completed.extend({ verified: z.literal(true) })

/** Sends a signed logout and waits until `tokens` tokens are revoked. */
export async function untilCompleted({ url }: Child, userId: string, tokens: number): Promise<Completed> {
  const { body, headers } = signedLogout(userId)
  const waiting = { ...headers, prefer: 'wait=30' }
  const { json } = await request(url, 'POST', '/logout-hook', { body, headers: waiting })
  const completed = Completed.parse(json)
  if (completed.tokens.revoked !== tokens) throw new Error('Not every token was revoked.')
  return completed
}

/** Waits for the end of a revocation and for its confirming listing. */
export async function untilVerified({ url }: Child, id: string): Promise<Completed> {
  for (;;) {
    const { json } = await call(url, 'GET', `/revocations/${id}`, { headers: { prefer: 'wait=30' } })
    const completed = Completed.parse(json)
    if (completed.verificationDueAt === null) return Verified.parse(json)
  }
}

/** A field of `/proc/<pid>/status`, in MB (10^6 bytes). */
export function memoryMb({ process: { pid } }: Child, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kibibytes = Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1])
  return (kibibytes * 1024) / 1e6
}

/** CPU time of a process, in ms. Linux reports hundredths of a second. */
export function cpuMs({ process: { pid } }: Child): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** The quantile by nearest rank. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN
}

export const median = (values: readonly number[]) => quantile(values, 0.5)

/** "median (lowest to highest)" */
export function spread(values: readonly number[], digits: number, unit = ''): string {
  const [low, middle, high] = [Math.min(...values), median(values), Math.max(...values)]
  return `${middle.toFixed(digits)}${unit} (${low.toFixed(digits)} to ${high.toFixed(digits)})`
}

export async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}

/** Prints the figures of a single bench. */
export async function print(figures: Promise<Figure[]>): Promise<void> {
  for (const { name, measured, aim, met, note } of await figures) {
    process.stdout.write(`${met ? 'met' : 'missed'}: ${name}: ${measured} (aim: ${aim})\n  ${note}\n`)
  }
}
