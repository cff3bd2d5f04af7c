import { readFileSync } from 'node:fs'
import t from 'tap'
import { type Proof, type ProofContext, provesGone, ROLES, weakestRole } from '../../src/revocation/proof.ts'

const GOOD: Proof = {
  at: 0,
  pages: 1,
  listings: 1,
  client: 'client',
  scope: 'admin_classic',
  role: 'tenant-admin',
  userExists: true,
}
const CONFIRMED: ProofContext = { undecided: 0, isConfirmed: true }

t.test('the truth table', async (t) => {
  for (const [proof, context, verified] of [
    [{}, {}, true],
    [{ role: 'others-seen' }, {}, true],
    [{ role: 'own-user' }, {}, true],
    [{ role: 'not-reported' }, {}, false],
    [{ userExists: false }, {}, false],
    [{ pages: 2 }, {}, false],
    [{ pages: 2, listings: 2 }, {}, true],
    [{ pages: 100, listings: 3 }, {}, true],
    [{}, { undecided: 1 }, false],
    [{}, { isConfirmed: false }, false],
  ] as [Partial<Proof>, Partial<ProofContext>, boolean][]) {
    const name = JSON.stringify({ ...proof, ...context })
    t.equal(provesGone({ ...GOOD, ...proof }, { ...CONFIRMED, ...context }), verified, name)
  }
  t.equal(provesGone(null, CONFIRMED), false)
})

/** The meaning of the cells of the table in docs/proof.md, by column. */
const CELLS: Record<string, (value: unknown) => boolean> = {
  none: (value) => value === null || value === 0,
  present: (value) => value !== null,
  any: () => true,
  yes: (value) => value === true,
  no: (value) => value === false,
  '`not-reported`': (value) => value === 'not-reported',
  'any other': (value) => value !== 'not-reported',
  more: (value) => Number(value) > 1,
  some: (value) => Number(value) > 0,
  '1': (value) => value === 1,
}

t.test('docs/proof.md has the same table', async (t) => {
  const document = readFileSync(new URL('../../docs/proof.md', import.meta.url), 'utf8')
  const rows = [...document.matchAll(/^\| (none|present) \|.*$/gm)].map(([row]) =>
    row.slice(2, -2).split(' | '),
  )
  t.equal(rows.length, 7)
  const documented = (values: unknown[]) =>
    rows.find((cells) => values.every((value, column) => CELLS[String(cells[column])]?.(value)))?.at(-1)
  for (const userExists of [true, false])
    for (const role of ROLES)
      for (const pages of [1, 2, 7])
        for (const listings of [1, 2, 3])
          for (const undecided of [0, 1])
            for (const isConfirmed of [true, false]) {
              const proof = { ...GOOD, userExists, role, pages, listings }
              for (const one of [proof, null]) {
                const values = [one, userExists, role, pages, listings, undecided, isConfirmed]
                const verified = provesGone(one, { undecided, isConfirmed }) ? 'yes' : 'no'
                t.equal(documented(values), verified, JSON.stringify(values))
              }
            }
})

t.test('with several users, the weakest role counts', async (t) => {
  t.equal(weakestRole(['own-user', 'tenant-admin']), 'tenant-admin')
  t.equal(weakestRole(['tenant-admin', 'not-reported', 'own-user']), 'not-reported')
  t.equal(weakestRole(['own-user']), 'own-user')
  t.equal(weakestRole([]), 'not-reported')
})
