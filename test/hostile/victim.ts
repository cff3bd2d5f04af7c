import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { START_FLAGS } from '../support/start-flags.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const ATTACKER = join(import.meta.dirname, 'attacker.ts')
const API_KEY = randomBytes(24).toString('hex')
const USERS_PER_REQUEST = 1_000

export interface VictimOptions {
  folder: string
  /** Revocations that wait for a tenant that is down. */
  queued: number
}

/** A service under attack, in its own process. */
export interface Victim {
  url: string
  memoryMb(): number
  /** The duration of one request to `/health/live`, in ms. */
  probe(): Promise<number>
  /** Attacks by number, from another process. */
  attack(index: number): Promise<{ stop(): Promise<void> }>
  stop(): Promise<void>
}

export async function startVictim({ folder, queued }: VictimOptions): Promise<Victim> {
  const secret = () => `whsec_${randomBytes(32).toString('base64')}`
  const file = join(folder, 'curfew.json')
  const webhookSecrets = Array.from({ length: 994 }, () => ({ secret: secret() }))
  const sources = [{ name: 'auth0', kind: 'auth0-log-stream', secrets: [randomBytes(24).toString('hex')] }]
  writeFileSync(file, JSON.stringify({ webhookSecrets, sources }), { mode: 0o600 })
  const service = fork(MAIN, {
    // As in production.
    execArgv: START_FLAGS,
    env: {
      ...process.env,
      // Nothing listens there.
      QLIK_TENANT_URL: 'http://127.0.0.1:9',
      QLIK_CLIENT_ID: 'hostile',
      QLIK_CLIENT_SECRET: randomBytes(24).toString('hex'),
      API_KEYS: API_KEY,
      CONFIG_FILE: file,
      DATABASE_URL: `sqlite:${join(folder, 'curfew.db')}`,
      // One sender names them all.
      MASS_REVOCATION_USERS: '0',
      PORT: '0',
      LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const exited = once(service, 'exit')
  const message = await Promise.race([once(service, 'message'), exited.then(() => null)])
  if (!message) throw new Error('the service did not start')
  const { url } = message[0]
  await queue(url, queued)
  // Everything that an attack could cause to be created once is created before memory is measured.
  for (const path of ['/docs', '/openapi.json', '/metrics', '/health/ready'])
    await (await fetch(`${url}${path}`)).text()
  return {
    url,
    memoryMb: () => residentMb(service.pid ?? 0),
    async probe() {
      const start = performance.now()
      const response = await fetch(`${url}/health/live`, { headers: { connection: 'close' } })
      await response.text()
      if (response.status !== 200) throw new Error(`/health/live: ${response.status}`)
      return performance.now() - start
    },
    async attack(index) {
      const attacker = fork(ATTACKER, [url, String(index)])
      await once(attacker, 'message')
      return { stop: () => end(attacker) }
    },
    stop: () => end(service),
  }
}

async function queue(url: string, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += USERS_PER_REQUEST) {
    const length = Math.min(USERS_PER_REQUEST, count - sent)
    const users = Array.from({ length }, (_, index) => ({ userId: `user-${sent + index}` }))
    const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' }
    const response = await fetch(`${url}/revocations`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ users }),
    })
    if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`)
    await response.text()
  }
}

function residentMb(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) / 1024
}

async function end(child: ReturnType<typeof fork>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
