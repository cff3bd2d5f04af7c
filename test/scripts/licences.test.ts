import t from 'tap'
import { REVIEWED, violations } from '../../scripts/licences.ts'
import { readProductionRefs, readSbom } from '../../scripts/sbom.ts'

const REF = 'thing@1.0.0'
const PRODUCTION = new Set([REF])
const DEVELOPMENT = new Set<string>()
const licensed = (...expressions: string[]) => [
  { 'bom-ref': REF, licenses: expressions.map((expression) => ({ expression })) },
]

t.test('allowed licences pass', async (t) => {
  t.same(violations([{ 'bom-ref': REF, licenses: [{ license: { id: 'MIT' } }] }], PRODUCTION), [])
  for (const one of [
    'ISC',
    'MIT OR GPL-3.0-only',
    '(GPL-3.0-only OR MIT)',
    '(MIT AND ISC)',
    'GPL-2.0-only OR MIT AND ISC',
  ]) {
    t.same(violations(licensed(one), PRODUCTION), [], one)
  }
})

t.test('every other licence is listed, with its package', async (t) => {
  const rejected = [
    'GPL-3.0-only',
    'MIT AND GPL-3.0-only',
    'GPL-2.0-only OR MIT AND GPL-3.0-only',
    'GPL-3.0-only AND (GPL-2.0-only OR MIT OR ISC)',
    'Apache-2.0 WITH LLVM-exception',
  ]
  for (const one of rejected) {
    t.same(violations(licensed(one), PRODUCTION), [`thing@1.0.0 (production): ${one} is not allowed`])
  }
  t.same(violations(licensed('MIT', 'GPL-3.0-only'), DEVELOPMENT), [
    'thing@1.0.0 (development): MIT, GPL-3.0-only is not allowed',
  ])
})

t.test('some licences are allowed in development alone', async (t) => {
  t.same(violations(licensed('Python-2.0'), DEVELOPMENT), [])
  t.same(violations(licensed('Python-2.0'), PRODUCTION), [
    'thing@1.0.0 (production): Python-2.0 is not allowed',
  ])
})

t.test('a package without a licence passes only after a review of that version', async (t) => {
  t.same(violations([{ 'bom-ref': REF }], DEVELOPMENT), ['thing@1.0.0 (development): no SPDX licence'])
  for (const ref of Object.keys(REVIEWED)) {
    t.same(violations([{ 'bom-ref': ref }], DEVELOPMENT), [])
    t.equal(violations([{ 'bom-ref': `${ref}-1` }], DEVELOPMENT).length, 1)
  }
})

t.test('the dependencies of Curfew have allowed licences, and no review is out of date', async (t) => {
  const { components } = readSbom()
  t.same(violations(components, readProductionRefs()), [])
  const refs = components.map((component) => component['bom-ref'])
  t.same(
    Object.keys(REVIEWED).filter((ref) => !refs.includes(ref)),
    [],
  )
})
