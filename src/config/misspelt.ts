import type { Mistake } from './read-environment.ts'

/** Variables of other programs may resemble a short key: HOME is not a misspelt HOST. */
const MIN_LENGTH = 7
const MAX_EDITS = 2
/** APP_PORT is not a misspelt OPS_PORT. */
const SHORT_KEY = 8

/** Finds unknown names that resemble a known key. Pure. */
export function misspelt(names: readonly string[], known: readonly string[]): Mistake[] {
  const unknown = names.filter((name) => name.length >= MIN_LENGTH && !known.includes(name))
  return unknown.flatMap((name) => {
    const nearest = known
      .map((key) => ({ key, edits: editsBetween(name.toUpperCase(), key) }))
      .filter(({ key, edits }) => edits <= (key.length <= SHORT_KEY ? 1 : MAX_EDITS))
      .toSorted((one, other) => one.edits - other.edits)[0]
    return nearest ? [{ key: name, expected: `unknown key; did you mean ${nearest.key}?` }] : []
  })
}

/** The Levenshtein distance. */
function editsBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (const [index, letter] of [...one].entries()) {
    const next = [index + 1]
    for (let column = 1; column <= other.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + (letter === other[column - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
