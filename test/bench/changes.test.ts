import t from 'tap'
import { before, rowsOf } from '../../bench/changes.ts'

const WITHOUT_BEFORE = `
| | Figure | Measured | Aim | |
|---|---|---|---|---|
| 1 | Accepts, relative to A \\| B | 0.28 (0.26 to 0.35): 5462/s | ≥ 0.5 | **missed** |
| 2 | Tokens per second | 1,200/s | ≥ 1,000/s | met |
`
const WITH_BEFORE = `
| | Figure | Measured | Before | Aim | |
|---|---|---|---|---|---|
| 1 | Memory | 140 MB | **160 MB, missed** | ≤ 150 MB | met |
| 2 | Signals | 331/s | new | none | met |
`

t.test('reads the rows of a results page, with and without the column of the previous run', async (t) => {
  t.strictSame(
    [...rowsOf(WITHOUT_BEFORE)],
    [
      ['Accepts, relative to A | B', { measured: '0.28 (0.26 to 0.35): 5462/s', met: false }],
      ['Tokens per second', { measured: '1,200/s', met: true }],
    ],
  )
  t.strictSame(
    [...rowsOf(WITH_BEFORE)],
    [
      ['Memory', { measured: '140 MB', met: true }],
      ['Signals', { measured: '331/s', met: true }],
    ],
  )
})

t.test('marks a change of more than 10 % and a changed verdict', async (t) => {
  const rows = rowsOf(WITHOUT_BEFORE)
  const tokens = (measured: string, met = true) => before({ name: 'Tokens per second', measured, met }, rows)
  t.equal(tokens('1310/s'), '1,200/s')
  t.equal(tokens('1,330/s'), '**1,200/s**')
  t.equal(tokens('1,070/s'), '**1,200/s**')
  t.equal(tokens('1,190/s', false), '**1,200/s, met**')
  t.equal(
    before({ name: 'Accepts, relative to A | B', measured: '0.51', met: true }, rows),
    '**0.28, missed**',
  )
  t.equal(before({ name: 'A new figure', measured: '1', met: true }, rows), 'new')
})

t.test('a figure that was and is 0 has not changed', async (t) => {
  const rows = new Map([['429', { measured: '0 responses', met: true }]])
  t.equal(before({ name: '429', measured: '0 responses', met: true }, rows), '0')
  t.equal(before({ name: '429', measured: '2 responses', met: false }, rows), '**0, met**')
})
