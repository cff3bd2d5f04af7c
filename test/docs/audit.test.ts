import { execFile } from 'node:child_process'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { append, emptyChain } from '../../src/revocation/audit/chain.ts'
import { EVENTS } from '../../src/revocation/audit/entry.ts'
import { chainStarted, signalEvent } from '../../src/revocation/audit/events.ts'
import { exportedLine } from '../../src/revocation/audit/exported-line.ts'
import { PROBLEMS } from '../../src/revocation/audit/finding.ts'
import { headsSigned } from '../../src/revocation/audit/signed-heads.ts'
import { newRevocation } from '../../src/revocation/transitions.ts'
import { Trail, verifyLines } from '../support/audit-export.ts'
import { read } from '../support/deployment.ts'
import { temporaryFolder } from '../support/service.ts'
import { aSignal } from '../support/signals.ts'

const PAGE = read('docs/audit.md')
const run = promisify(execFile)
const blocks = (kind: string) =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${kind}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text]) => String(text))
const [EXAMPLE = ''] = blocks('json')

/** The first cells of a table's rows, without the code marks. */
function firstCells(heading: string): string[] {
  const [, table = ''] = PAGE.split(`| ${heading} |`)
  const rows = table.split('\n\n')[0]?.split('\n').slice(2) ?? []
  return rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`([\w-]+)`/g)].map(([, name]) => String(name)),
  )
}

t.test('the example is what Curfew writes, byte by byte', async (t) => {
  const at = Date.parse('2026-11-27T12:00:00Z')
  const user = { kind: 'email', value: 'ann@example.com' } as const
  const id = '01f7dd5c-5d0c-7c4e-9d0e-3b1f0c9a7e21'
  const origin = { kind: 'api-key', name: 'crm', id: '0f1e2d3c4b5a6978', address: '192.0.2.10' } as const
  const signal = aSignal({ user, occurredAt: at })
  const events = [
    chainStarted([]),
    signalEvent(signal, { revocation: newRevocation(id, signal), hasJoined: false }, origin),
  ]
  const end = emptyChain('9b2f6c1e-4d3a-4f70-8a5b-6c7d8e9f0a1b')
  const { entries } = append(end, events, at, () => '00112233445566778899aabbccddeeff'.repeat(2))
  t.equal(EXAMPLE, entries.map(exportedLine).join(''))
  t.match(await verifyLines(EXAMPLE.split(/(?<=\n)/)), { findings: 0 })
})

t.test('its hashes can be verified with the commands on the page', async (t) => {
  const commands = blocks('bash').filter((text) => text.includes('openssl dgst'))
  t.equal(commands.length, 2)
  for (const text of commands) {
    const [command = '', result = ''] = text.split('\n# ')
    const { stdout } = await run('sh', ['-c', command])
    t.equal(stdout, result)
    const [, bytes = ''] = /'(.*)'/.exec(command) ?? []
    t.ok(EXAMPLE.includes(bytes), 'the bytes are in the example')
    t.ok(EXAMPLE.includes(result.split(' ')[0] ?? ''), 'the digest is in the example')
  }
})

t.test('the commands on the page create a key that signs, and its public key', async (t) => {
  const folder = temporaryFolder(t)
  const create = blocks('bash').find((text) => text.includes('openssl genpkey')) ?? ''
  await run('sh', ['-e', '-c', create], { cwd: folder })
  const pem = (name: string) => readFileSync(join(folder, name), 'utf8')
  const trail = new Trail()
  const head = trail.list('aaaaaaaa-0000-4000-8000-000000000000', [])
  const statement = { day: '2026-11-28', heads: [head], deletable: [], retentionDays: 365 }
  trail.add(head.writer, headsSigned(statement, createPrivateKey(pem('audit-signing.pem'))))
  const publicKey = createPublicKey(pem('audit-signing.pub.pem'))
  t.match(await verifyLines(trail.lines(), [], publicKey), { findings: 0, signedDays: ['2026-11-28'] })
})

t.test('the page lists all events and problems', async (t) => {
  t.same(firstCells('`event` | When | `details` | Personal data').sort(), [...EVENTS].sort())
  t.same(firstCells('Problem | Meaning').sort(), [...PROBLEMS].sort())
})

t.test('the page lists the members of an entry', async (t) => {
  const [line = ''] = EXAMPLE.split('\n')
  t.same(firstCells('Member of `entry` | Meaning').sort(), Object.keys(JSON.parse(line).entry).sort())
})
