import type { ChildProcess } from 'node:child_process'
import { globSync } from 'node:fs'
import t from 'tap'

/**
 * `npm test`: runs every test file, or those whose path contains one of the arguments, each in a process of its own,
 * as `node FILE` does. Prints TAP, the slowest files, the failed files, and the counts; exits with 1 if a test failed.
 *
 * This is tap without its command line, which loads hooks for mocks, TypeScript and coverage into each process: about
 * 0.8 s of CPU per file.
 */
const JOBS = 2
/** For one file: several times what the slowest takes on an idle machine. */
const TIMEOUT_SECONDS = 300
const SLOWEST = 10

const parts = process.argv.slice(2)
const files = globSync('test/**/*.test.ts')
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
  .sort()
// tap adds hooks by NODE_OPTIONS as well: `env` puts back what was set here.
const environment = [`NODE_OPTIONS=${process.env.NODE_OPTIONS ?? ''}`, `TAP_TIMEOUT=${TIMEOUT_SECONDS}`]

const started = new Map<string, number>()
const children = new Set<ChildProcess>()
let stopping = false
t.on('spawn', (file) => {
  started.set(file.name, performance.now())
  file.once('process', (child) => {
    children.add(child)
    if (stopping) child.kill()
  })
})
// Ended from outside, it takes the files that run with it, and those that tap starts even then.
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    stopping = true
    for (const child of children) child.kill()
    process.exit(1)
  })
}

t.jobs = JOBS
t.setTimeout(0)
if (files.length === 0) t.fail(`no test file has ${parts.join(' or ')} in its path`)
const ended = files.map(async (name) => {
  const options = { name, buffered: true, timeout: TIMEOUT_SECONDS * 1000, at: null, stack: '' }
  const result = await t.spawn('env', [...environment, process.execPath, name], options)
  return { name, failed: !result?.ok, seconds: (performance.now() - (started.get(name) ?? 0)) / 1000 }
})

t.teardown(async () => {
  const results = await Promise.all(ended)
  const slowest = results.toSorted((one, other) => other.seconds - one.seconds).slice(0, SLOWEST)
  t.comment(`the ${slowest.length} slowest files:`)
  for (const { name, seconds } of slowest) t.comment(`${seconds.toFixed(1).padStart(7)} s ${name}`)
  for (const { name } of results.filter(({ failed }) => failed)) t.comment(`failed: ${name}`)
})
