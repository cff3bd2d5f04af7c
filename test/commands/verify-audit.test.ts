import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { headsSigned } from '../../src/revocation/audit/signed-heads.ts'
import { anEvent, ownEvent, Trail } from '../support/audit-export.ts'
import { runCommand } from '../support/process.ts'
import { folderWith, temporaryFolder } from '../support/service.ts'

const [A, B] = ['aaaaaaaa-0000-4000-8000-000000000000', 'bbbbbbbb-0000-4000-8000-000000000000']

/** Runs the command with this standard input, with no environment but a folder for temporary files. */
async function run(t: Test, args: string[], input = '') {
  const folder = temporaryFolder(t)
  const result = await runCommand(['verify-audit', ...args], { TMPDIR: folder }, input)
  t.same(readdirSync(folder), [], 'it leaves no file')
  return result
}

function anExport() {
  const trail = new Trail()
  trail.list(A, [])
  const personal = { user: { kind: 'email', value: 'ann@example.com' } } as const
  const head = trail.add(A, anEvent({ personal }), anEvent())
  trail.list(B, [head])
  trail.add(B, ownEvent('erased', { entries: 1 }))
  trail.entries.splice(1, 1, ...trail.entries.slice(1, 2).map((one) => ({ ...one, private: null })))
  return { lines: trail.lines(), head }
}
const { lines, head } = anExport()

t.test('it verifies a file, or standard input', async (t) => {
  const path = join(folderWith(t, { 'export.jsonl': lines.join('') }), 'export.jsonl')
  const results = [await run(t, [path]), await run(t, ['-'], lines.join(''))]
  for (const { code, stdout, stderr } of results) {
    t.same([code, stderr], [0, ''])
    t.match(stdout, `\n${A} 3 ${head.hash}\n${B} 2 `)
    t.match(stdout, /\n5 entries in 2 chains; the personal data of 1 was erased\.\nVerified\.\n$/)
  }
})

t.test('it reports what is wrong, where, and up to which entry each chain is intact', async (t) => {
  const { code, stdout } = await run(t, ['-'], lines.toSpliced(1, 1).toSpliced(-1, 1).join(''))
  t.equal(code, 1)
  t.match(stdout, `missing, line 2, chain ${A}, entry 3: Entry 2 is missing.\n`)
  t.match(stdout, new RegExp(`^${A} 1 [0-9a-f]{64} of 3$`, 'm'))
  t.match(stdout, /\nNOT verified\. Problems: 1\n$/)
})

t.test('it compares the chains with an earlier output', async (t) => {
  const earlier = await run(t, ['-'], lines.join(''))
  const heads = join(folderWith(t, { 'heads.txt': earlier.stdout }), 'heads.txt')
  t.match(await run(t, ['--heads', heads, '-'], lines.join('')), { code: 0 })
  const cut = await run(t, ['--heads', heads, '-'], lines.slice(0, -1).join(''))
  t.match(cut, { code: 1, stdout: `end-missing, chain ${B}, entry 2: ` })
  writeFileSync(heads, 'something else\n')
  t.match(await run(t, ['--heads', heads, '-'], ''), {
    code: 64,
    stderr: /not an output of curfew audit verify\. Pass/,
  })
})

t.test('an export without entries is not verified', async (t) => {
  t.match(await run(t, ['-'], ''), { code: 1, stdout: /^empty: There is no audit entry\./ })
})

t.test('with public keys, it verifies signatures, and states the days without one', async (t) => {
  const [ours, earlier, another] = [1, 2, 3].map(() => generateKeyPairSync('ed25519'))
  if (!ours || !earlier || !another) throw new Error('expected keys')
  const trail = new Trail()
  const first = trail.list(A, [])
  const days = ['2026-11-20', '2026-11-21', '2026-11-23', '2026-11-24', '2026-11-28'] as const
  for (const day of days) {
    const key = day < '2026-11-24' ? earlier.privateKey : ours.privateKey
    trail.add(A, headsSigned({ day, heads: [first], deletable: [], retentionDays: 365 }, key))
  }
  const pem = (key: KeyObject) => String(key.export({ type: 'spki', format: 'pem' }))
  const folder = folderWith(t, {
    'ours.pem': pem(ours.publicKey),
    'earlier.pem': pem(earlier.publicKey),
    'other.pem': pem(another.publicKey),
  })
  const verify = (...names: string[]) =>
    run(t, [...names.flatMap((name) => ['--public-key', join(folder, name)]), '-'], trail.lines().join(''))
  t.match(await verify('ours.pem', 'earlier.pem'), {
    code: 0,
    stdout:
      /\nThe heads are signed from 2026-11-20 to 2026-11-28\.\nDays without a signature: 2026-11-22, 2026-11-25 to 2026-11-27\.\nVerified\.\n$/,
  })
  t.match(await verify('ours.pem'), { code: 1, stdout: /^key-unknown, line 2, .*--public-key/ })
  t.match(await verify('other.pem'), { code: 1, stdout: /\nunsigned: .*AUDIT_SIGNING_KEY/ })
  t.match(await run(t, ['--public-key', import.meta.filename, '-']), {
    code: 64,
    stderr: /Ed25519 public key in PEM\. Create it with/,
  })
})

t.test('it limits what it prints', async (t) => {
  const { code, stdout } = await run(t, ['-'], 'x\n'.repeat(2_500))
  t.equal(code, 1)
  t.match(stdout, /\n… and 1,501 more\.\n/)
  t.ok(stdout.split('\n').length < 1_100)
})

t.test('it rejects invalid arguments and files that cannot be read', async (t) => {
  for (const args of [
    [],
    ['a', 'b'],
    ['--other'],
    [temporaryFolder(t)],
    [join(temporaryFolder(t), 'missing')],
  ])
    t.match(await run(t, args), { code: 64, stdout: '' }, args.join(' '))
  t.match(await run(t, ['a', 'b']), { stderr: /^Too many arguments\.\n\nUsage: curfew verify-audit/ })
  t.match(await run(t, ['--help']), { code: 0, stdout: /^Usage: curfew verify-audit/ })
})
