import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'
import { until } from '../support/events.ts'

/** Whether a program of the peer runs here; tests of missing peers are skipped. */
export function runs(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0
}

export interface Peer {
  /** Everything it has written so far. */
  output(): string
}

/** Starts a server of somebody else, waits until `url` answers, and kills the server at the end of the test. */
export async function startPeer(
  t: Test,
  url: string,
  [program, ...args]: [string, ...string[]],
  environment: Record<string, string> = {},
): Promise<Peer> {
  const child = spawn(program, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk
    })
  }
  const ended = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const answers = until(`${program} answers`, async () => Boolean(await fetch(url)), 120_000)
  const failed = ended.then(() => {
    throw new Error(`${program} ended`)
  })
  await Promise.race([answers, failed]).catch((error) => {
    throw new Error(`${error.message}: ${output}`)
  })
  failed.catch(() => {})
  return { output: () => output }
}

/** A browser as far as a login needs one: it keeps cookies and follows no redirect. */
export function openBrowser() {
  const cookies = new Map<string, string>()
  return async (url: string, options: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(options.headers)
    headers.set('cookie', [...cookies].map(([name, value]) => `${name}=${value}`).join('; '))
    const response = await fetch(url, { ...options, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      cookies.set(name, value)
    }
    return response
  }
}
