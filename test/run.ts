import type { ChildProcess } from 'node:child_process'
import { globSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

/**
 * `npm test`: runs every test file, or those whose path contains one of the arguments. Prints TAP, the slowest files, the
 * failed files, and the counts. Exits 1 if a test failed.
 *
 * Files of a folder run in one process, one after the other: loading tap and the service takes longer than most of them.
 * It bypasses tap's command line, whose hooks for mocks, TypeScript and coverage cost each process about 0.8 s of CPU.
 */
const JOBS = 3
const TOGETHER = 8
/** Files in these folders each get a process: they take long, and start, stop and kill processes. */
const ALONE = ['test/e2e/', 'test/model/']
/** Per process: several times as long as the slowest takes on an idle machine. */
const TIMEOUT_SECONDS = 300
const SLOWEST = 10

const RUN_FILES = join(import.meta.dirname, 'run-files.ts')

const parts = process.argv.slice(2)
const files = globSync('test/**/*.test.ts')
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
  .sort()
// tap adds hooks to NODE_OPTIONS too; `env` restores the original value.
const environment = [`NODE_OPTIONS=${process.env.NODE_OPTIONS ?? ''}`, `TAP_TIMEOUT=${TIMEOUT_SECONDS}`]

const children = new Set<ChildProcess>()
/** What `run-files.ts` reported for each file that ran to the end. */
const outcomes = new Map<string, { failed: boolean; seconds: number }>()
let stopping = false
t.on('spawn', (file) => {
  file.parser.on('comment', (line) => {
    const [, name = '', outcome, seconds] = /^# (\S+): (passed|failed), ([\d.]+) s$/.exec(line.trim()) ?? []
    if (outcome) outcomes.set(name, { failed: outcome === 'failed', seconds: Number(seconds) })
  })
  file.once('process', (child) => {
    children.add(child)
    if (stopping) child.kill()
  })
})
// A signal also ends the running files, and those that tap starts afterwards.
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
const ended = groupsOf(files).map(async (names) => {
  const options = {
    name: names.join(' '),
    buffered: true,
    timeout: TIMEOUT_SECONDS * 1000,
    at: null,
    stack: '',
  }
  const result = await t.spawn('env', [...environment, process.execPath, RUN_FILES, ...names], options)
  const failed = names.filter((name) => outcomes.get(name)?.failed !== false)
  // A failure after all have ended may belong to any of them.
  return result?.ok || failed.length > 0 ? failed : names
})

t.teardown(async () => {
  const failed = (await Promise.all(ended)).flat()
  const slowest = [...outcomes].sort(([, one], [, other]) => other.seconds - one.seconds).slice(0, SLOWEST)
  t.comment(`the ${slowest.length} slowest files:`)
  for (const [name, { seconds }] of slowest) t.comment(`${seconds.toFixed(1).padStart(7)} s ${name}`)
  for (const name of failed) t.comment(`failed: ${name}`)
})

/** The slow ones start first, so that none of them runs alone at the end. */
function groupsOf(files: string[]): string[][] {
  const isAlone = (file: string) => ALONE.some((folder) => file.startsWith(folder))
  const folders = Map.groupBy(
    files.filter((file) => !isAlone(file)),
    dirname,
  )
  const alone = files.filter(isAlone).map((file) => [file])
  return [...alone, ...[...folders.values()].flatMap(chunks)]
}

function chunks(files: string[]): string[][] {
  const count = Math.ceil(files.length / TOGETHER)
  return Array.from({ length: count }, (_, index) => files.filter((_file, place) => place % count === index))
}
