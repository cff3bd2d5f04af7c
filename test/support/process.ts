import { type ChildProcess, execFile, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'

export const MAIN = join(import.meta.dirname, '../../src/main.ts')

export interface ServiceProcess {
  url: string
  /** The operators' listener, if the environment has OPS_PORT. */
  operatorsUrl: string | null
  process: ChildProcess
  /** Its standard output so far. */
  output: () => string
  /** Sends a signal; resolves with the exit code, or with the signal's name if the signal ended the process. */
  end: (signal: NodeJS.Signals) => Promise<number | NodeJS.Signals>
}

/**
 * Starts the real service in its own process, which is killed at the end of the test.
 * @param main the entry point, for another version
 */
export async function startProcess(
  t: Test,
  environment: Record<string, string>,
  main = MAIN,
): Promise<ServiceProcess> {
  const child = fork(main, {
    // With this process's environment, by which tap also measures the child's coverage.
    env: { ...process.env, ...environment, LOG_LEVEL: 'info' },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout?.on('data', (chunk) => {
    output += chunk
  })
  child.stderr?.on('data', (chunk) => {
    output += chunk
  })
  // 'close', not 'exit': the output is complete.
  const exited = once(child, 'close')
  const started = await Promise.race([once(child, 'message'), exited.then(() => null)])
  if (!started) throw new Error(`the service did not start: ${output}`)
  return {
    url: started[0].url,
    operatorsUrl: started[0].operatorsUrl ?? null,
    process: child,
    output: () => output,
    async end(signal) {
      child.kill(signal)
      const [code, by] = await exited
      return code ?? by
    },
  }
}

/** Only these variables, and Node's folder for compiled code. */
export function bare(environment: Record<string, string>): Record<string, string> {
  const { NODE_COMPILE_CACHE: compiled } = process.env
  return compiled === undefined ? environment : { NODE_COMPILE_CACHE: compiled, ...environment }
}

/** Starts the service with only these variables; it must end by itself. */
export function startInVain(environment: Record<string, string>, main = MAIN) {
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [main], { env: bare(environment) }, (error, stdout, stderr) => {
      resolve({ code: error?.code, stdout, stderr })
    })
  })
}

/** Runs a command of the service, such as `verify-audit`, with only these variables and this standard input. */
export async function runCommand(args: string[], environment: Record<string, string> = {}, input = '') {
  const child = spawn(process.execPath, [MAIN, ...args], { env: bare(environment) })
  // The command may exit without reading.
  child.stdin.on('error', () => {}).end(input)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { code, stdout, stderr }
}
