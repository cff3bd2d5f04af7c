import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { runCommand } from '../support/process.ts'

t.test('--version prints the version, --help every command', async (t) => {
  t.same(await runCommand(['--version']), { code: 0, stdout: `${packageJson.version}\n`, stderr: '' })
  const { code, stdout, stderr } = await runCommand(['--help'])
  t.same([code, stderr], [0, ''])
  for (const name of ['serve', 'check-config', 'sign', 'keys', 'hash-api-key', 'sandbox', 'demo', 'audit'])
    t.match(stdout, new RegExp(`^  ${name} `, 'm'))
})

t.test('invalid arguments exit with 64 and show the right form, without the arguments', async (t) => {
  for (const [args, message] of [
    [['marker'], /^Unknown command\. Commands: [\w, -]+\.\n\nUsage: curfew \[command\]/],
    [['--marker=marker2'], /^Unknown option --marker\./],
    [
      ['check-config', '--jsno'],
      /^Unknown option --jsno\. Did you mean --json\?\n\nUsage: curfew check-config/,
    ],
    [['audit', 'marker2'], /^Too many arguments\.\n\nUsage: curfew audit \[options\]/],
    [['status', '--profile'], /^Option '--profile <file>' argument missing\./],
    [['keys'], /^A command is missing\. Commands: new\.\n\nUsage: curfew keys/],
    [['keys', 'new', 'marker2'], /^Too many arguments\.\n\nUsage: curfew keys new \[options\]\n/],
    [['audit', 'verify'], /^Missing required argument 'export'\.\n\nUsage: curfew audit verify/],
    [['sandbox', '--marker'], /Usage: curfew sandbox/],
    [['demo', '--marker'], /Usage: curfew demo/],
  ] as const) {
    const { code, stdout, stderr } = await runCommand([...args])
    t.same([code, stdout], [64, ''], args.join(' '))
    t.match(stderr, message)
    t.notMatch(stderr, 'marker2')
  }
})

t.test('with --json, errors are JSON', async (t) => {
  const { code, stderr } = await runCommand([
    'keys',
    'new',
    '--webhook-secret',
    '--client-key',
    'x',
    '--json',
  ])
  t.equal(code, 64)
  t.same(JSON.parse(stderr), {
    error: { code: null, message: 'Choose --webhook-secret or --client-key, not both.', exitCode: 64 },
  })
})

t.test('completion scripts are printed, and complete commands and options', async (t) => {
  for (const shell of ['bash', 'zsh', 'fish', 'powershell'])
    t.match(await runCommand(['completion', shell]), { code: 0, stdout: /curfew/ }, shell)
  t.match(await runCommand(['completion', 'marker']), { code: 64, stderr: /bash/ })
  t.match((await runCommand(['complete', '--', 'che'])).stdout, /^check-config\t/m)
  t.match((await runCommand(['complete', '--', 'check-config', '--'])).stdout, /^--json\t/m)
})
