import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chart } from './chart.ts'
import {
  availableAt,
  drain,
  fewestFirst,
  heavyTail,
  type Limit,
  mean,
  reserved,
  withReserve,
} from './order-model.ts'
import { quantile } from './support.ts'

// Simulates orders of deletes. Writes the tables and the chart of docs/order-of-revocations.md.

const USERS = Number(process.env.BENCH_USERS ?? 10_000)
const QLIK: Limit = { permits: 500, windowMs: 300_000 }
const RUNS = 32
const CALLS = 16
const MINUTE = 60_000

/** 32 runs in order of age, up to 16 calls each, which are served in order of arrival. */
function inRuns(sizes: readonly number[]): number[] {
  const doneAt: number[] = sizes.map(() => 0)
  const left = [...sizes]
  const unsent = [...sizes]
  const calls: number[] = []
  const send = (user: number, count: number) => {
    for (let sent = 0; sent < count && (unsent[user] ?? 0) > 0; sent += 1) {
      unsent[user] = (unsent[user] ?? 0) - 1
      calls.push(user)
    }
  }
  let next = 0
  const start = () => {
    if (next < sizes.length) send(next, CALLS)
    next += 1
  }
  for (let run = 0; run < RUNS; run += 1) start()
  for (let granted = 0; granted < calls.length; granted += 1) {
    const user = calls[granted] ?? 0
    left[user] = (left[user] ?? 0) - 1
    send(user, 1)
    if (left[user] > 0) continue
    doneAt[user] = granted + 1
    start()
  }
  return doneAt
}

/** Drains one user after the other in an order that is known at the beginning. Equal to `drain`, but faster. */
function inOrder(sizes: readonly number[], order: readonly number[]): number[] {
  const doneAt: number[] = sizes.map(() => 0)
  let granted = 0
  for (const user of order) {
    granted += sizes[user] ?? 0
    doneAt[user] = granted
  }
  return doneAt
}

const byAge = (sizes: readonly number[]) => inOrder(sizes, [...sizes.keys()])
const bySize = (sizes: readonly number[]) =>
  inOrder(
    sizes,
    [...sizes.keys()].sort((a, b) => (sizes[a] ?? 0) - (sizes[b] ?? 0)),
  )

/** The first window is used in order of age, before sizes are known; then as `reserved`. */
function surveyed(sizes: readonly number[]): number[] {
  const rest = [...sizes]
  const doneAt: number[] = sizes.map(() => 0)
  let granted = 0
  // Of 32 runs, the fewest tokens first.
  const runs: number[] = []
  let next = 0
  while (granted < QLIK.permits) {
    while (runs.length < RUNS && next < sizes.length) runs.push(next++)
    runs.sort((a, b) => (rest[a] ?? 0) - (rest[b] ?? 0) || a - b)
    const user = runs[0]
    if (user === undefined) break
    granted += 1
    rest[user] = (rest[user] ?? 0) - 1
    if (rest[user] > 0) continue
    doneAt[user] = granted
    runs.shift()
  }
  for (const [user, at] of reserved(rest).entries()) if (at > 0) doneAt[user] = granted + at
  return doneAt
}

/** Minutes until each user has no token left. */
function minutes(doneAt: readonly number[], limit: Limit = QLIK): number[] {
  return doneAt.map((permits) => availableAt(permits, limit) / MINUTE)
}

const round = (value: number) => (value < 20 ? value.toFixed(1) : value.toFixed(0))

function row(name: string, times: readonly number[]): string {
  const cells = [
    mean(times),
    quantile(times, 0.5),
    quantile(times, 0.9),
    quantile(times, 0.99),
    Math.max(...times),
  ]
  return `| ${name} | ${cells.map(round).join(' | ')} |`
}

const HEAD = ['| Order | Mean | Median | p90 | p99 | Last |', '|---|---|---|---|---|---|']

const sizes = heavyTail(USERS)
const contenders = [
  { name: 'first in, first out', colour: '#b42318', times: minutes(byAge(sizes)) },
  { name: '32 runs in order of age, up to 16 calls each', colour: '#b54708', times: minutes(inRuns(sizes)) },
  { name: 'Curfew', colour: '#067647', times: minutes(surveyed(sizes)) },
  { name: 'fewest tokens first', colour: '#175cd3', times: minutes(bySize(sizes)) },
]

function orders(): string[] {
  const pool = { ...QLIK, permits: 4 * QLIK.permits }
  const [first, runs, curfew, fewest] = contenders
  if (!first || !runs || !curfew || !fewest) throw new Error('A contender is missing.')
  return [
    ...HEAD,
    row(first.name, first.times),
    row(runs.name, runs.times),
    row(`${fewest.name}, all sizes known (the lowest mean)`, fewest.times),
    row('the same, every tenth permit for the oldest', minutes(reserved(sizes))),
    row('**Curfew**: the same, the first window before the sizes are known', curfew.times),
    row('the same with four clients', minutes(surveyed(sizes), pool)),
  ]
}

/** 5,000 tokens of one user, then 999 users with one: the times of the others. */
function oneLarge(): string[] {
  const large = [5_000, ...Array<number>(999).fill(1)]
  const others = (doneAt: number[]) => minutes(doneAt).slice(1)
  return [
    ...HEAD,
    row('first in, first out', others(byAge(large))),
    row('32 runs in order of age, up to 16 calls each', others(inRuns(large))),
    row('fewest tokens first', others(bySize(large))),
    row('the same, every tenth permit for the oldest', others(reserved(large))),
    row('**Curfew**', others(surveyed(large))),
  ]
}

function reserves(): string[] {
  const none = mean(minutes(bySize(sizes)))
  return [
    '| Permits for the oldest | Mean | Relative to none | A user with k tokens behind P older ones is done within |',
    '|---|---|---|---|',
    `| none | ${round(none)} | 1.00 | no bound |`,
    ...[20, 10, 5, 2].map((every) => {
      const value = mean(minutes(reserved(sizes, every)))
      return `| ${100 / every} % | ${round(value)} | ${(value / none).toFixed(2)} | T(${every} (P + k)) |`
    }),
  ]
}

/** How long a late user without a known size waits during a drain, if such users start before or after the others. */
function unsized(): string[] {
  const QUEUE = 2_000
  const late = Array.from({ length: 200 }, (_, index) => ({
    at: 500 * (index % 8),
    size: heavyTail(200, 3)[index] ?? 1,
  }))
  const run = (isFirst: boolean) => {
    const known = heavyTail(QUEUE, 2).map((size) => ({ left: size, size, at: 0, isKnown: true, late: false }))
    const users = [
      ...known,
      ...late.map(({ at, size }) => ({ left: size, size, at, isKnown: false, late: true })),
    ]
    const times: { ms: number; late: boolean }[] = []
    let active = users
    for (let permit = 0; active.length > 0; permit += 1) {
      const now = permit
      const present = active.filter(({ at }) => at <= now)
      // Before its run has listed it, a late user counts as none (first) or as more than all others (last).
      const guess = (one: (typeof users)[number]) =>
        one.isKnown ? one.left : isFirst ? 0 : Number.POSITIVE_INFINITY
      const next = present.reduce(
        (a, b) => (guess(b) < guess(a) ? b : a),
        present[0] ?? (active[0] as (typeof users)[number]),
      )
      if (!next.isKnown) {
        // The listing costs no permit and reveals the size.
        next.isKnown = true
        permit -= 1
        continue
      }
      next.left -= 1
      if (next.left > 0) continue
      times.push({ ms: availableAt(permit + 1, QLIK) - availableAt(next.at + 1, QLIK), late: next.late })
      active = active.filter((one) => one !== next)
    }
    const of = (isLate: boolean) =>
      mean(times.filter((one) => one.late === isLate).map(({ ms }) => ms / MINUTE))
    return `| ${isFirst ? 'before' : 'after'} the others | ${round(of(true))} | ${round(of(false))} |`
  }
  return [
    '| Users without a size are listed | Mean of the late users | Mean of the others |',
    '|---|---|---|',
    run(true),
    run(false),
  ]
}

/** Replaces what is between the markers of a table. */
function fill(page: string, name: string, lines: readonly string[]): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`]
  const [from, to] = [page.indexOf(start), page.indexOf(end)]
  if (from < 0 || to < 0) throw new Error(`The page has no place for ${name}.`)
  return `${page.slice(0, from + start.length)}\n${lines.join('\n')}\n${page.slice(to)}`
}

const tables = { orders: orders(), large: oneLarge(), reserve: reserves(), unsized: unsized() }
for (const lines of Object.values(tables)) process.stdout.write(`${lines.join('\n')}\n\n`)
// The fast functions agree with the rule of the service.
const sample = heavyTail(300, 7)
for (const [fast, rule] of [
  [bySize(sample), drain(sample, fewestFirst)],
  [reserved(sample), drain(sample, withReserve)],
]) {
  if (Math.abs(mean(fast ?? []) / mean(rule ?? []) - 1) > 0.01)
    throw new Error('The simulation differs from the rule.')
}
if (process.argv.includes('--write')) {
  const docs = join(import.meta.dirname, '..', 'docs')
  const path = join(docs, 'order-of-revocations.md')
  const page = Object.entries(tables).reduce(
    (text, [name, lines]) => fill(text, name, lines),
    readFileSync(path, 'utf8'),
  )
  writeFileSync(path, page)
  const lines = contenders.map(({ times, ...contender }) => ({
    ...contender,
    ...{ times: times.map((minute) => minute / 60), users: USERS },
  }))
  const xTitle = `Hours until users have no token left; ${USERS} users at once, one client`
  writeFileSync(join(docs, 'order-of-revocations.svg'), await chart(lines, xTitle))
}
