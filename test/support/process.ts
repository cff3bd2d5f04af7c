import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Test } from 'tap'

const MAIN = join(import.meta.dirname, '../../src/main.ts')

export interface ServiceProcess {
  url: string
  process: ChildProcess
  /** What it has written to standard output so far. */
  output: () => string
  /** Sends a signal and resolves with the exit code, or the signal's name where that ended it. */
  end: (signal: NodeJS.Signals) => Promise<number | NodeJS.Signals>
}

/**
 * The real service as a process of its own; it is killed, if need be, when the test ends.
 * @param main the entry point, of another version too
 */
export async function startProcess(
  t: Test,
  environment: Record<string, string>,
  main = MAIN,
): Promise<ServiceProcess> {
  const child = fork(main, {
    // With this process's own, by which tap measures coverage there, too.
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
  // When it has ended, and all that it has written is here.
  const exited = once(child, 'close')
  const started = await Promise.race([once(child, 'message'), exited.then(() => null)])
  if (!started) throw new Error(`the service did not start: ${output}`)
  return {
    url: started[0].url,
    process: child,
    output: () => output,
    async end(signal) {
      child.kill(signal)
      const [code, by] = await exited
      return code ?? by
    },
  }
}

/** An environment of nothing else, besides where Node keeps compiled code. */
export function bare(environment: Record<string, string>): Record<string, string> {
  const { NODE_COMPILE_CACHE: compiled } = process.env
  return compiled === undefined ? environment : { NODE_COMPILE_CACHE: compiled, ...environment }
}

/** Starts the service, which is to end by itself, in an environment of nothing else. */
export function startInVain(environment: Record<string, string>, main = MAIN) {
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [main], { env: bare(environment) }, (error, stdout, stderr) => {
      resolve({ code: error?.code, stdout, stderr })
    })
  })
}
