import { execFile } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { folderWith } from './support/service.ts'

const RUN = join(import.meta.dirname, 'run.ts')
const MODULES = join(import.meta.dirname, '../node_modules')

/** Writes the files as `test/NAME.test.ts` and runs them as `npm test` does. */
function run(t: Test, files: Record<string, string>, ...args: string[]) {
  const named = Object.entries(files).map(([name, text]) => [pathOf(name), `import t from 'tap'; ${text}`])
  const folder = folderWith(t, { 'package.json': '{"type":"module"}', ...Object.fromEntries(named) })
  symlinkSync(MODULES, join(folder, 'node_modules'))
  // Without the variables that make tap print TAP for a parent process.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TAP')))
  return new Promise<{ code: unknown; lines: string[] }>((resolve) => {
    execFile(process.execPath, [RUN, ...args], { cwd: folder, env }, (error, stdout) =>
      resolve({ code: error?.code ?? 0, lines: stdout.trimEnd().split('\n') }),
    )
  })
}

const pathOf = (name: string) => `test/${name}.test.ts`
const failedIn = (lines: string[]) => lines.filter((line) => line.startsWith('# failed: '))
const failures = (...names: string[]) => names.map((name) => `# failed: ${pathOf(name)}`)

const GOOD = `t.test('works', async (t) => t.ok(true))`
const BAD = `t.test('does not work', async (t) => t.ok(false))`

t.test('the last lines list the slowest files, then the counts', async (t) => {
  const { code, lines } = await run(t, {
    'a/one': GOOD,
    'a/two': `t.ok(true); t.ok(true)`,
    'e2e/three': GOOD,
  })
  t.equal(code, 0)
  t.match(lines.slice(-6), [
    '# the 3 slowest files:',
    ...Array(3).fill(/^# +\d+\.\d s test\/\w+\/\w+\.test\.ts$/),
    '# { total: 4, pass: 4 }',
    /^# time=/,
  ])
  t.same(
    lines.filter((line) => /^(not )?ok/.test(line)).map((line) => line.replace(/ #.*/, '')),
    [`ok 1 - ${pathOf('e2e/three')}`, `ok 2 - ${pathOf('a/one')} ${pathOf('a/two')}`],
    'files of a folder share a process; e2e files have their own',
  )
})

t.test('a failure in a test, outside of one, or by exit code fails the run and names the file', async (t) => {
  const { code, lines } = await run(t, {
    'e2e/assertion': BAD,
    'e2e/crash': `throw new Error('broken')`,
    'e2e/exit': `${GOOD}; process.exitCode = 3`,
    'e2e/good': GOOD,
    'e2e/killed': `${GOOD}; process.kill(process.pid, 'SIGKILL')`,
    'e2e/late': `${GOOD}; t.teardown(() => { throw new Error('broken') })`,
    'e2e/unplanned': `t.test('does half', async (t) => { t.plan(2); t.ok(true) })`,
  })
  t.equal(code, 1)
  const failing = ['assertion', 'crash', 'exit', 'killed', 'late', 'unplanned']
  t.same(failedIn(lines), failures(...failing.map((name) => `e2e/${name}`)))
  t.match(lines.at(-2), /^# \{ total: \d+, pass: \d+, fail: \d+ \}$/)
})

t.test('if files share a process, those that failed or did not run are named', async (t) => {
  const bad = await run(t, { 'a/1': GOOD, 'a/2': BAD, 'a/3': GOOD, 'a/4': BAD })
  t.same([bad.code, failedIn(bad.lines)], [1, failures('a/2', 'a/4')])
  const crash = await run(t, { 'a/1': GOOD, 'a/2': `throw new Error('broken')`, 'a/3': GOOD })
  t.same([crash.code, failedIn(crash.lines)], [1, failures('a/2', 'a/3')])
})

t.test('a file is torn down before the next one begins', async (t) => {
  const first = `await 0; t.teardown(() => { globalThis.gone = true }); ${GOOD}`
  const second = `await new Promise((resolve) => setTimeout(resolve, 20)); t.ok(globalThis.gone)`
  t.equal((await run(t, { 'a/1': first, 'a/2': second })).code, 0)
})

t.test('an argument selects files by part of their path, and fails if it selects none', async (t) => {
  const files = { good: GOOD, other: `throw new Error('not to be run')` }
  t.equal((await run(t, files, 'goo')).code, 0)
  t.equal((await run(t, files, 'nonesuch')).code, 1)
})

t.test('neither test files nor their child processes load hooks of the tap command line', async (t) => {
  const quiet = `t.notMatch(process.env.NODE_OPTIONS ?? '', /tapjs/)
    t.strictSame(process.execArgv, [])`
  t.equal((await run(t, { quiet })).code, 0)
})
