import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Test } from 'tap'
import { skippingClock } from '../support/clock.ts'
import { until } from '../support/events.ts'
import { bare } from '../support/process.ts'
import { startService, WEBHOOK_SECRET } from '../support/service.ts'
import { startFront } from './front.ts'

export const EXAMPLES = join(import.meta.dirname, '../../examples')
export const EMAIL = 'ann@example.com'
/** The leeway of a signal, and a bit more: tokens granted after it belong to a later login. */
export const PAST_LEEWAY_MS = 10_000

/** Why tests of Python are skipped, or false. */
export const noPython = spawnSync('python3', ['--version']).status !== 0 && 'python3 is not on the PATH'

/** The examples import `curfew/client` as an installed package does. */
const NODE = { NODE_OPTIONS: `--import=${new URL('../support/client-of-checkout.ts', import.meta.url)}` }
const PYTHON = { PYTHONPATH: join(EXAMPLES, 'python'), PYTHONDONTWRITEBYTECODE: '1' }

/** The real service behind a front that can fail, with a user who has two tokens. The clock is the test's own. */
export async function startCurfew(t: Test) {
  const clock = skippingClock()
  const service = await startService(t, { clock })
  const ann = service.userWithTokens(2, { email: EMAIL })
  const front = await startFront(t, service.url)
  return {
    service,
    clock,
    ann,
    front,
    tokens: () => service.sandbox.tenant.tokensOf(ann.id).map(({ id }) => id),
    /** Waits until the only revocation is verified: moves the clock ahead until that is due. */
    async revocation() {
      const stored = await service.stored()
      if (stored.length !== 1) throw new Error(`expected one revocation, found ${stored.length}`)
      const { id } = stored[0]
      // Only then the clock is moved: calls in flight would time out.
      await until('it has ended', async () =>
        /"status":"(completed|failed)"/.test((await service.call('GET', `/revocations/${id}`)).text),
      )
      clock.skip(PAST_LEEWAY_MS)
      return service.settled(id)
    },
  }
}

export interface Example {
  url: string
  output(): string
  /** Resolves when the output contains this text. */
  logged(text: string): Promise<void>
  /** Sends a signal. The promise resolves with the exit code, or the signal's name if that ended it. */
  end(signal: NodeJS.Signals): Promise<number | string>
}

/** Starts an example as its own process. Resolves when it listens. */
export async function startExample(
  t: Test,
  [program, ...args]: readonly [string, ...string[]],
  curfewUrl: string,
  more: Record<string, string> = {},
): Promise<Example> {
  const child = spawn(program, args, {
    cwd: EXAMPLES,
    env: bare({
      ...NODE,
      ...PYTHON,
      PATH: String(process.env.PATH),
      CURFEW_URL: curfewUrl,
      WEBHOOK_SECRET,
      SESSION_SECRET: 'session-secret-0123456789abcdef0123456789',
      DEMO_USER: EMAIL,
      PORT: '0',
      ...more,
    }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  const exited = once(child, 'close').then(([code, signal]) => code ?? signal)
  const logged = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => output.includes(text) && resolve()
      for (const stream of [child.stdout, child.stderr]) stream.on('data', look)
      exited.then(() => reject(new Error(`ended without "${text}": ${output}`)))
      look()
    })
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk
    })
  }
  await logged('listening')
  const url = /listening (?:on|at) (http:[/\d.:]+)/.exec(output)?.[1] ?? ''
  return {
    url,
    output: () => output,
    logged,
    end(signal) {
      child.kill(signal)
      return exited
    },
  }
}

export interface EndOptions {
  reason?: string
  occurredAt?: string
  webhookId?: string
  attempts?: number
  attemptMs?: number
  totalMs?: number
}

/** The client of Node and the function of Python, called in its own process. */
export const LANGUAGES = [
  {
    name: 'Node',
    skip: false as const,
    command: [
      process.execPath,
      '--input-type=module',
      '-e',
      `const { CurfewClient } = await import('curfew/client')
       const { attempts, attemptMs, totalMs, occurredAt, ...options } = JSON.parse(process.argv[1])
       const { CURFEW_URL: url, WEBHOOK_SECRET: webhookSecret } = process.env
       const limits = { attempts, attemptTimeoutMs: attemptMs, totalTimeoutMs: totalMs }
       const curfew = new CurfewClient({ url, webhookSecret, ...limits })
       if (occurredAt) options.occurredAt = new Date(occurredAt)
       const { revocation, ...result } = await curfew.endAccess({ email: '${EMAIL}', name: 'Ann' }, options)
       console.log(JSON.stringify(result))`,
    ],
  },
  {
    name: 'Python',
    skip: noPython,
    command: [
      'python3',
      '-c',
      [
        'import json, sys',
        'from datetime import datetime',
        'from end_qlik_access import end_qlik_access',
        'given = json.loads(sys.argv[1])',
        'names = {"occurredAt": "occurred_at", "webhookId": "webhook_id", "attemptMs": "timeout", "totalMs": "total"}',
        'options = {names.get(k, k): v / 1000 if k.endswith("Ms") else v for k, v in given.items()}',
        'if "occurred_at" in options: options["occurred_at"] = datetime.fromisoformat(options["occurred_at"])',
        `print(json.dumps(end_qlik_access({"email": "${EMAIL}", "name": "Ann"}, **options)))`,
      ].join('\n'),
    ],
  },
]

/** Long enough that no attempt fails because the machine is busy. */
const PATIENT = { attemptMs: 60_000, totalMs: 120_000 }

/** Calls the function and returns its result. */
export async function endAccess(
  [program = '', ...args]: readonly string[],
  curfewUrl: string,
  options: EndOptions = {},
  secret = WEBHOOK_SECRET,
) {
  const env = {
    ...NODE,
    ...PYTHON,
    PATH: String(process.env.PATH),
    CURFEW_URL: curfewUrl,
    WEBHOOK_SECRET: secret,
  }
  const child = spawn(program, [...args, JSON.stringify({ ...PATIENT, ...options })], {
    cwd: EXAMPLES,
    env: bare(env),
  })
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`it exited with ${code}: ${errors}`)
  return JSON.parse(output)
}
