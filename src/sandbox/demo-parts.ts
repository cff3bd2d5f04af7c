import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The sources and the build have different extensions. */
const EXTENSION = extname(import.meta.filename)
const PROGRAMS = { curfew: '../main', sandbox: './main' } as const
export type Program = keyof typeof PROGRAMS

/** A running process that listens at `url`. */
export interface Part {
  url: string
  stop(): Promise<void>
}

/**
 * Starts a program of this project as a separate process, and waits until it listens.
 * @param environment its environment variables, in addition to PATH
 */
export async function startPart(
  program: Program,
  args: string[],
  environment: Record<string, string> = {},
): Promise<Part> {
  const child = fork(fileURLToPath(new URL(`${PROGRAMS[program]}${EXTENSION}`, import.meta.url)), args, {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit')
  const [message] = await Promise.race([
    once(child, 'message'),
    ended.then(() => Promise.reject(new Error(`${program} exited before it listened.`))),
  ])
  return { url: String(message.url), stop: () => stop(child, ended) }
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM')
  await ended
}
