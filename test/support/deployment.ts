import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')

/** Reads a file of the repository. */
export const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

/** The instructions of each stage of the Dockerfile, without comments and with continued lines joined. */
export function dockerfileStages(): string[][] {
  const lines = read('Dockerfile')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '')
  const starts = lines.flatMap((line, index) => (line.startsWith('FROM ') ? [index] : []))
  return starts.map((start, stage) => lines.slice(start, starts[stage + 1]))
}

/** The arguments of each such instruction in the final stage. */
export function imageArguments(instruction: string): string[] {
  const [, runtime = []] = dockerfileStages()
  return runtime
    .filter((line) => line.startsWith(`${instruction} `))
    .map((line) => line.slice(instruction.length + 1))
}

/** The environment that the image sets. */
export function imageEnvironment(): Record<string, string> {
  return Object.fromEntries(
    [
      ...imageArguments('ENV')
        .join(' ')
        .matchAll(/(\w+)=(\S+)/g),
    ].map(([, key, value]) => [key, value]),
  )
}
