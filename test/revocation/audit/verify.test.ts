import fc from 'fast-check'
import t from 'tap'
import { canonicalJson } from '../../../src/base/canonical-json.ts'
import { sha256 } from '../../../src/revocation/audit/chain.ts'
import { exportedLine } from '../../../src/revocation/audit/exported-line.ts'
import { anEvent, entryOf, ownEvent, Trail, verifyLines } from '../../support/audit-export.ts'

const [A, B, C] = ['a', 'b', 'c'].map((letter) => `${letter.repeat(8)}-0000-4000-8000-000000000000`) as [
  string,
  string,
  string,
]
const USER = { user: { kind: 'email', value: 'ännchen@example.com' } } as const

/**
 * Three chains: of the first, retention removed 3 entries; one private part is erased. The last entry lists the heads of
 * the others. Nothing lists the last entry itself.
 */
function aTrail(): { trail: Trail; lines: string[] } {
  const trail = new Trail()
  trail.list(A, [])
  trail.add(A, anEvent({ personal: USER }))
  const checkpoint = trail.add(A, anEvent())
  const first = trail.add(A, anEvent({ personal: USER }))
  trail.list(C, [first])
  trail.add(C, anEvent({ personal: { ...USER, qlikUsers: ['q1'] } }), anEvent({ details: { count: 1 } }))
  trail.add(C, ownEvent('erased', { entries: 1 }))
  trail.add(A, ownEvent('entries-purged', { checkpoints: [checkpoint] }), anEvent({ personal: USER }))
  const heads = [trail.add(A, anEvent()), trail.add(C, anEvent({ personal: USER }))]
  trail.list(B, heads)
  const kept = trail.entries
    .filter((one) => entryOf(one).writer !== A || entryOf(one).sequence > 3)
    .map((one) => (one.hash === first.hash ? { ...one, private: null } : one))
  trail.entries.splice(0, Number.POSITIVE_INFINITY, ...kept)
  return { trail, lines: trail.lines() }
}

const { lines } = aTrail()
const anyLine = fc.nat(lines.length - 1)
/** The line that nothing lists. */
const LAST = lines.findIndex((line) => line.includes(B) && line.includes('"sequence":1,'))

const problemsOf = async (changed: readonly string[]) =>
  (await verifyLines(changed)).found.map(({ problem }) => problem)
const replaced = (index: number, ...by: string[]) => lines.toSpliced(index, 1, ...by)
const at = (index: number) => lines[index] ?? ''

/** The line with changed members, and digests that match them. */
function forged(
  line: string,
  change: (entry: Record<string, unknown>) => void,
  privatePart?: unknown,
): string {
  const { entry, private: known } = JSON.parse(line)
  const personal = privatePart === undefined ? known : privatePart
  if (personal) entry.private = sha256(canonicalJson(personal))
  change(entry)
  return `${canonicalJson({ entry, hash: sha256(canonicalJson(entry)), private: personal })}\n`
}

t.test('an intact export has no findings', async (t) => {
  const verification = await verifyLines(lines)
  t.match(verification, { entries: 12 - 3 + 1, erased: 1, findings: 0, found: [] })
  t.match(verification.chains, [
    { writer: A, first: 4, last: 7, verified: { sequence: 7 } },
    { writer: B, first: 1, last: 1, verified: { sequence: 1 } },
    { writer: C, first: 1, last: 5, verified: { sequence: 5 } },
  ])
})

t.test('chains can be in any order, and mixed', async (t) => {
  const byTime = aTrail().trail.entries.map(exportedLine)
  t.notSame(byTime, lines)
  t.same(await problemsOf(byTime), [])
})

t.test('any changed byte is detected', async (t) => {
  const text = Buffer.from(lines.join(''))
  const change = fc.tuple(fc.nat(text.length - 1), fc.integer({ min: 1, max: 255 }))
  await fc.assert(
    fc.asyncProperty(change, async ([position, bits]) => {
      const bytes = Buffer.from(text)
      bytes.writeUInt8((bytes[position] ?? 0) ^ bits, position)
      const { findings } = await verifyLines(bytes)
      t.ok(findings > 0, `byte ${position}`)
    }),
    { numRuns: 500 },
  )
})

t.test('any missing, repeated or moved entry is detected', async (t) => {
  for (const index of lines.keys()) {
    if (index !== LAST) t.not((await problemsOf(replaced(index))).length, 0, `without line ${index + 1}`)
    for (const to of lines.keys()) {
      const line = at(index)
      t.not(
        (await problemsOf(lines.toSpliced(to, 0, line))).length,
        0,
        `line ${index + 1} again before ${to + 1}`,
      )
    }
  }
  const writerOf = (line: string) => JSON.parse(line).entry.writer
  await fc.assert(
    fc.asyncProperty(anyLine, anyLine, async (one, other) => {
      fc.pre(one !== other && writerOf(at(one)) === writerOf(at(other)))
      t.not((await problemsOf(lines.with(one, at(other)).with(other, at(one)))).length, 0)
    }),
    { numRuns: 60 },
  )
})

t.test('any entry that was replaced with matching digests is detected', async (t) => {
  const members = fc.constantFrom('at', 'event', 'by', 'address', 'tenant', 'revocation', 'details')
  await fc.assert(
    fc.asyncProperty(anyLine, members, fc.boolean(), async (index, member, isInserted) => {
      fc.pre(index !== LAST)
      const changed = forged(at(index), (entry) => {
        entry[member] = member === 'details' ? { forged: 1 } : member === 'at' ? 1 : 'forged'
      })
      const result = isInserted ? lines.toSpliced(index, 0, changed) : lines.with(index, changed)
      t.not((await problemsOf(result)).length, 0)
    }),
    { numRuns: 100 },
  )
})

t.test('a chain that was rewritten from any entry on is detected by its listed head', async (t) => {
  for (const start of lines.keys()) {
    if (start === LAST) continue
    const changed = [...lines]
    let previous: string | null = null
    for (const index of lines.keys()) {
      const { writer } = JSON.parse(at(index)).entry
      if (index < start || writer !== JSON.parse(at(start)).entry.writer) continue
      changed[index] = forged(at(index), (entry) => {
        if (index === start) entry.at = 1
        else entry.previous = previous
      })
      previous = JSON.parse(changed[index] ?? '').hash
    }
    const { found, chains } = await verifyLines(changed)
    t.same(
      found.map(({ problem }) => problem),
      ['head-differs'],
    )
    t.equal(
      chains.find(({ writer }) => writer === found[0]?.writer)?.verified,
      null,
      'no entry counts as verified',
    )
  }
})

t.test('each finding names the entry and what is wrong', async (t) => {
  const [index, entry] = [2, JSON.parse(at(2))]
  t.match(entry.entry, { writer: A, sequence: 6 })
  const withHash = `${canonicalJson({ ...entry, hash: '0'.repeat(64) })}\n`
  const cases: [string[], { problem: string; [member: string]: unknown }][] = [
    [lines.with(index, withHash), { problem: 'changed', line: 3, writer: A, sequence: 6 }],
    [lines.with(index, 'x\n'), { problem: 'unreadable', line: 3, writer: null }],
    [
      lines.with(
        index,
        forged(at(index), () => {}, { salt: 'other' }),
      ),
      { problem: 'unlinked', line: 4, sequence: 7, detail: /continue entry 6/ },
    ],
    [
      lines.with(index, `${canonicalJson({ ...entry, private: { salt: 'other' } })}\n`),
      { problem: 'private-changed', line: 3, sequence: 6 },
    ],
    [
      lines.with(index, `${canonicalJson({ ...entry, private: null })}\n`),
      { problem: 'private-missing', line: null, detail: /^2 private parts .* only 1 / },
    ],
    [replaced(index), { problem: 'missing', line: 3, sequence: 7, detail: 'Entry 6 is missing.' }],
    [lines.slice(1), { problem: 'missing', line: 1, sequence: 5, detail: 'Entry 4 is missing.' }],
    [
      lines.toSpliced(1, 2),
      { problem: 'missing', line: 2, sequence: 7, detail: 'Entries 5 to 6 are missing.' },
    ],
    [lines.toSpliced(5, 0, at(index)), { problem: 'out-of-order', line: 6, writer: A, sequence: 6 }],
    [
      replaced(3),
      { problem: 'end-missing', line: null, writer: A, sequence: 7, detail: /ends with entry 6/ },
    ],
    [lines.slice(4), { problem: 'chain-missing', line: null, writer: A, sequence: 7 }],
    [[], { problem: 'empty', line: null }],
  ]
  for (const [changed, { problem, ...rest }] of cases) {
    const { found } = await verifyLines(changed)
    const last = found.filter((one) => one.problem === problem).at(-1)
    t.match(last, rest, problem)
  }
})

t.test('it reports up to which entry each chain is intact', async (t) => {
  const { chains } = await verifyLines(replaced(2))
  t.match(chains[0], {
    writer: A,
    first: 4,
    last: 7,
    verified: { sequence: 5, hash: JSON.parse(at(1)).hash },
  })
  t.match(chains[2], { verified: { sequence: 5 } }, 'other chains are not affected')
})

t.test('a line is accepted in its canonical form only', async (t) => {
  const [line = '', ...others] = lines
  const twice = line.replace('{"entry":', '{"entry":{"v":1},"entry":')
  const forms = [` ${line}`, line.replace(':', ': '), line.replace('"hash"', '"h\\u0061sh"'), twice]
  const unreadable = [
    ...forms,
    `\n${line}`,
    line.replace('\n', '\r\n'),
    `\ufeff${line}`,
    line.replace('"v":1', '"v":2'),
  ]
  for (const form of unreadable) t.match(await problemsOf([form, ...others]), ['unreadable'], form)
})

t.test('heads from elsewhere detect what the export alone does not', async (t) => {
  const { chains } = await verifyLines(lines)
  const heads = chains.flatMap(({ verified }) => verified ?? [])
  t.equal((await verifyLines(lines, heads)).findings, 0)
  t.match((await verifyLines(replaced(LAST), heads)).found, [{ problem: 'chain-missing', writer: B }])
  const changed = lines.with(
    LAST,
    forged(at(LAST), (entry) => {
      entry.at = 1
    }),
  )
  t.equal((await verifyLines(changed)).findings, 0)
  t.match((await verifyLines(changed, heads)).found, [{ problem: 'head-differs', writer: B }])
})
