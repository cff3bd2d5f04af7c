import { execFile } from 'node:child_process'
import { join } from 'node:path'
import t, { type Test } from 'tap'

const RUN = join(import.meta.dirname, 'run.ts')

/** The files as `test/NAME.test.ts`, run as `npm test` does. */
function run(t: Test, files: Record<string, string>, ...args: string[]) {
  const named = Object.entries(files).map(([name, text]) => [`${name}.test.ts`, text])
  const folder = t.testdir({ test: Object.fromEntries(named) })
  // Without the variables by which tap tells a child that its parent reads TAP.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TAP')))
  return new Promise<{ code: unknown; lines: string[] }>((resolve) => {
    execFile(process.execPath, [RUN, ...args], { cwd: folder, env }, (error, stdout) =>
      resolve({ code: error?.code ?? 0, lines: stdout.trimEnd().split('\n') }),
    )
  })
}

// What tap would print, without the time that it takes to load.
const print = (...lines: string[]) =>
  `console.log(${JSON.stringify(['TAP version 14', ...lines].join('\n'))})`
const GOOD = print('ok 1', 'ok 2', '1..2')

t.test('what passes is counted in the last lines, below the slowest files', async (t) => {
  const { code, lines } = await run(t, { good: GOOD, tap: `import t from 'tap'; t.ok(true)` })
  t.equal(code, 0)
  t.match(lines.slice(-5), [
    '# the 2 slowest files:',
    /^# +\d+\.\d s test\/\w+\.test\.ts$/,
    /^# +\d+\.\d s test\/\w+\.test\.ts$/,
    '# { total: 3, pass: 3 }',
    /^# time=/,
  ])
  t.same(
    lines.filter((line) => /^(not )?ok/.test(line)).map((line) => line.replace(/ #.*/, '')),
    ['ok 1 - test/good.test.ts', 'ok 2 - test/tap.test.ts'],
  )
})

t.test('what fails in a test, outside of one, or by the exit code is named, and fails the run', async (t) => {
  const { code, lines } = await run(t, {
    assertion: print('not ok 1', '1..1'),
    crash: `throw new Error('broken')`,
    exit: `${GOOD}; process.exitCode = 3`,
    good: GOOD,
    killed: `${GOOD}; process.kill(process.pid, 'SIGKILL')`,
    unplanned: print('ok 1'),
  })
  t.equal(code, 1)
  t.same(
    lines.filter((line) => line.startsWith('# failed')),
    ['assertion', 'crash', 'exit', 'killed', 'unplanned'].map((name) => `# failed: test/${name}.test.ts`),
  )
  t.match(lines.at(-2), /^# \{ total: \d+, pass: \d+, fail: \d+ \}$/)
})

t.test('a part of a path selects files, and one that selects none fails', async (t) => {
  const files = { good: GOOD, other: `throw new Error('not to be run')` }
  t.equal((await run(t, files, 'goo')).code, 0)
  t.equal((await run(t, files, 'nonesuch')).code, 1)
})

t.test('no hook of the command line of tap is loaded into a file, nor into what it starts', async (t) => {
  const quiet = `import t from 'tap'
    t.notMatch(process.env.NODE_OPTIONS ?? '', /tapjs/)
    t.strictSame(process.execArgv, [])`
  t.equal((await run(t, { quiet })).code, 0)
})
