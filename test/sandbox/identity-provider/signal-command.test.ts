import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { configurationFile, mistakesIn } from '../../support/config-file.ts'
import { type SourceService, startWithSources } from '../../support/source-service.ts'

const PROGRAM = new URL('../../../src/sandbox/main.ts', import.meta.url).pathname

interface Run {
  code: number
  stdout: string
  stderr: string
}

function spawnSandbox(t: Test, args: string[]): ChildProcess {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

async function run(t: Test, ...args: string[]): Promise<Run> {
  const { stdout, stderr, ...child } = spawnSandbox(t, args)
  if (!stdout || !stderr) throw new Error('the program has no output')
  const [output, errors, [code]] = await Promise.all([
    text(stdout),
    text(stderr),
    once(Object.assign(Object.create(Object.getPrototypeOf(child)), child), 'exit'),
  ])
  return { code, stdout: output, stderr: errors }
}

/** The program with its identity provider, and the real service with the sources that it offers. */
async function start(t: Test): Promise<{ service: SourceService; send: (...args: string[]) => Promise<Run> }> {
  const child = spawnSandbox(t, ['--port', '0'])
  const [{ url }] = await once(child, 'message')
  const { sources } = (await (await fetch(`${url}/sandbox/sources`)).json()) as { sources: object[] }
  const service = await startWithSources(t, sources)
  service.userWithTokens(3, { email: 'ann@example.com', subject: 'idp|ann' })
  const send = (...args: string[]) => run(t, ...args, '--sandbox', url)
  return { service, send: (...args) => send('send', ...args, '--curfew', service.url) }
}
