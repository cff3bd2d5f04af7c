import t from 'tap'
import { sha256 } from '../../../src/revocation/audit/chain.ts'
import { DeletableEntries } from '../../../src/revocation/audit/deletable-entries.ts'
import type { Position, StoredEntry } from '../../../src/revocation/audit/entry.ts'

const BEFORE = 1_000
const OLD = BEFORE - 1

/** The text of an entry whose hash is that of another one. */
const CHANGED = JSON.stringify({ at: OLD, changed: true })
const hashOf = (text: string) => sha256(text === CHANGED ? JSON.stringify({ at: BEFORE }) : text)

/** Chains by name, with the texts of their entries. Entries that are null were deleted. */
function reading(chains: Record<string, (string | null)[]>) {
  const read = () =>
    Object.entries(chains).flatMap(([writer, texts]) =>
      texts.flatMap((text, index): StoredEntry[] =>
        text === null ? [] : [{ writer, sequence: index + 1, text, private: null, hash: hashOf(text) }],
      ),
    )
  const isAfter = (one: Position, other: Position) =>
    one.writer > other.writer || (one.writer === other.writer && one.sequence > other.sequence)
  const entries = new DeletableEntries({
    page: async (after, limit) =>
      read()
        .filter((one) => !after || isAfter(one, after))
        .slice(0, limit),
  })
  const spans = () =>
    Object.keys(chains).flatMap((writer) => {
      const sequences = read()
        .filter((one) => one.writer === writer)
        .map(({ sequence }) => sequence)
      const [first, last] = [sequences[0], sequences.at(-1)]
      return first === undefined || last === undefined ? [] : [{ writer, first, last }]
    })
  return async () =>
    Object.fromEntries(
      (await entries.read(spans(), BEFORE)).map(({ writer, sequence }) => [writer, sequence]),
    )
}

const at = (...times: number[]) => times.map((time) => JSON.stringify({ at: time }))

t.test(
  'a chain is deletable up to its first entry that is not old, as for retention, or changed',
  async (t) => {
    const read = reading({
      a: at(OLD, OLD, BEFORE, OLD),
      b: at(BEFORE, OLD),
      c: at(OLD),
      d: at(...Array(1_200).fill(OLD), BEFORE),
      e: ['not JSON', ...at(OLD)],
      f: [null, null, ...at(OLD, BEFORE)],
      g: [...at(OLD), CHANGED, ...at(OLD)],
    })
    t.same(await read(), { a: 2, c: 1, d: 1_200, f: 3, g: 1 })
  },
)

t.test('what was deletable stays so after its deletion, and is not read again', async (t) => {
  const chains: Record<string, (string | null)[]> = { a: at(OLD, OLD), b: at(OLD, BEFORE) }
  const read = reading(chains)
  t.same(await read(), { a: 2, b: 1 })
  chains.a = [null, null]
  chains.b = [null, ...at(BEFORE)]
  t.same(await read(), { a: 2, b: 1 })
  chains.a = [null, null, ...at(BEFORE)]
  t.same(await read(), { a: 2, b: 1 }, 'and its process continues the chain')
})
