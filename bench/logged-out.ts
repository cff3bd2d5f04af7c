import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chart } from './chart.ts'
import { TOOLS } from './contender.ts'
import { heavyTail, mean } from './order-model.ts'
import { type Outcome, raceCurfew, raceTool } from './race.ts'
import { type Figure, print } from './support.ts'

const USERS = Number(process.env.BENCH_USERS ?? 200)
/** `Retry-After` is in whole seconds, so a shorter window would put tools that obey it at a disadvantage. */
const RACE = { sizes: heavyTail(USERS), permits: 100, windowMs: 5_000, latencyMs: 5 }
const CLIENTS = 4
const COLOURS = ['#067647', '#12b76a', '#b42318', '#175cd3', '#b54708']
const CHART = join(import.meta.dirname, '..', 'docs', 'users-logged-out.svg')

interface Contender {
  name: string
  outcome: Outcome
}

/** Users with a heavy tail of tokens log out at once: how many are logged out, and when? Writes the chart of the README. */
export async function loggedOut(): Promise<Figure[]> {
  const own = { name: 'Curfew', outcome: await raceCurfew(RACE, 1) }
  const pool = { name: `Curfew, ${CLIENTS} clients`, outcome: await raceCurfew(RACE, CLIENTS) }
  const others: Contender[] = []
  for (const tool of TOOLS) others.push({ name: tool, outcome: await raceTool(RACE, tool) })
  const all = [own, pool, ...others]
  await writeChart(all)
  const complete = others.filter(({ outcome }) => outcome.alive === 0)
  const best = Math.min(...complete.map(({ outcome }) => mean(outcome.times)))
  const refused = own.outcome.refused + pool.outcome.refused
  const alive = own.outcome.alive + pool.outcome.alive
  return [
    {
      name: `Mean windows until a user is logged out, ${USERS} users at once`,
      measured: all.map(describe).join('; '),
      aim: 'Curfew lowest, with one client; no 429, none alive',
      met: mean(own.outcome.times) < best && refused + alive === 0,
      note:
        `${RACE.sizes.reduce((a, b) => a + b, 0)} tokens, ${RACE.permits} deletes per window of ${RACE.windowMs / 1000} s and client, ten times as many reads, latency ` +
        `${RACE.latencyMs} ms. Measured by the tenant, which sees the last delete of each user. One client, unless it says otherwise. The chart is docs/users-logged-out.svg.`,
    },
  ]
}

const windows = (ms: number) => ms / RACE.windowMs

function describe({ name, outcome: { times, alive, refused } }: Contender): string {
  const left = alive > 0 ? `${USERS - times.length} users never, ${alive} tokens alive, ` : ''
  return `${name}: ${windows(mean(times)).toFixed(1)} (${left}${refused} responses with 429)`
}

async function writeChart(contenders: readonly Contender[]): Promise<void> {
  const lines = contenders.map(({ name, outcome }, index) => ({
    name: outcome.alive > 0 ? `${name} (${outcome.alive} tokens left alive)` : name,
    colour: COLOURS[index] ?? 'black',
    ...{ times: outcome.times.map(windows), users: USERS },
  }))
  writeFileSync(
    CHART,
    await chart(lines, `Rate limit windows (5 minutes each in Qlik Cloud); ${USERS} users at once`),
  )
}

if (import.meta.main) await print(loggedOut())
