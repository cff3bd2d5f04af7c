import fc from 'fast-check'
import t from 'tap'
import { isPlainName, isSameName, isSimilarName } from '../../src/revocation/user-names.ts'

const TABLE: [one: string, other: string, same: boolean, similar: boolean, why: string][] = [
  ['kate@example.com', 'kate@example.com', true, true, 'equal'],
  ['kate@example.com', 'KATE@Example.com', true, true, 'the case of ASCII letters'],
  ['\u212Aate@example.com', '\u212AATE@example.com', true, true, 'a Kelvin sign in both'],
  ['kate@example.com', 'kat@example.com', false, false, 'another name'],
  ['kate@example.com', '\u212Aate@example.com', false, true, 'a Kelvin sign'],
  ['kate', '\uFF4Bate', false, true, 'a full-width letter'],
  ['ian', '\u0131an', false, true, 'a dotless i'],
  ['ian', '\u0130an', false, true, 'a capital I with a dot'],
  ['strasse', 'straße', false, true, 'ß'],
  ['STRASSE', 'STRA\u1E9EE', false, true, 'a capital ß'],
  ['sam', '\u017Fam', false, true, 'a long s'],
  ['fin', '\uFB01n', false, true, 'a ligature'],
  ['émile', 'Émile', false, true, 'the case of a letter beyond ASCII'],
  ['é', 'e\u0301', false, true, 'composed or not'],
  ['emile', 'émile', false, true, 'an accent'],
  ['ann', 'a\u200Bnn', false, true, 'an invisible character'],
  ['ὀδυσσεύς', 'ὈΔΥΣΣΕΎΣ', false, true, 'a final sigma'],
  ['kate', 'k\u0430te', false, false, 'a letter of another script that only looks alike'],
  ['ann', 'ann ', false, false, 'a blank'],
]

t.test('names are the same, or similar, or neither', (t) => {
  for (const [one, other, same, similar, why] of TABLE) {
    for (const [left, right] of [
      [one, other],
      [other, one],
    ] as const) {
      t.equal(isSameName(left, right), same, `same: ${why}`)
      t.equal(isSimilarName(left, right), similar, `similar: ${why}`)
    }
  }
  t.end()
})

t.test('every character is similar to all its folded forms', (t) => {
  const foldings: ((text: string) => string)[] = [
    (text) => text.toLowerCase(),
    (text) => text.toUpperCase(),
    (text) => text.toUpperCase().toLowerCase(),
    (text) => text.toLocaleLowerCase('tr'),
    (text) => text.toLocaleUpperCase('tr'),
    (text) => text.normalize('NFC'),
    (text) => text.normalize('NFD'),
    (text) => text.normalize('NFKC'),
    (text) => text.toLowerCase().normalize('NFKC').toLowerCase(),
  ]
  const wrong: string[] = []
  for (let code = 0; code <= 0x10ffff; code += 1) {
    const character = String.fromCodePoint(code)
    // Skip unassigned and private-use characters and surrogates, which are never folded.
    if (/[\p{Cn}\p{Co}\p{Cs}]/u.test(character)) continue
    const folded = new Set(foldings.map((fold) => fold(character)))
    folded.delete(character)
    for (const other of folded)
      if (!isSimilarName(character, other)) wrong.push(`U+${code.toString(16)} ${other}`)
  }
  t.same(wrong, [])
  t.end()
})

t.test('plain names are similar only if they are the same', (t) => {
  const plain = fc.string({ unit: 'grapheme-ascii', maxLength: 3 })
  const property = fc.property(
    plain,
    plain,
    (one, other) =>
      isPlainName(one) && isPlainName(other) && isSimilarName(one, other) === isSameName(one, other),
  )
  fc.assert(property, { examples: [['aB', 'Ab']], numRuns: 2_000 })
  for (const name of ['\u212Aate', 'é', 'a\u200Bnn', '\t']) t.notOk(isPlainName(name), name)
  t.end()
})
