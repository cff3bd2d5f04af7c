import { html } from 'ghtml'
import type { Api } from './api.ts'
import { barChart, rangeChart } from './charts.ts'
import { type Html, shortTime, table, text } from './layout.ts'
import { durationText, numberText } from './numbers.ts'

interface Summary {
  verified: number | null
  p50Seconds: number | null
  p99Seconds: number | null
}

interface Interval extends Summary {
  from: string
}

interface Statistics extends Summary {
  at: string
  intervalSeconds: number
  intervals: Interval[]
  isComplete: boolean
}

const PERIODS = { hour: 'Last hour', day: 'Last 24 hours' } as const
type Period = keyof typeof PERIODS

/** How many users were logged out over the last hour and day, and how long it took. */
export async function statisticsContent(api: Api): Promise<Html> {
  const periods = Object.keys(PERIODS) as Period[]
  const panels = periods.map(async (period) =>
    panel(period, await api.get<Statistics>('/statistics', { period })),
  )
  return html`<h2>Users logged out</h2><div class="panels">!${(await Promise.all(panels)).join('\n')}</div>`
}

function panel(period: Period, statistics: Statistics): Html {
  const { verified, p50Seconds, p99Seconds, isComplete } = statistics
  const counting = isComplete ? '' : '<p class="hint">Still counting: some times are missing.</p>'
  return html`<section class="panel" aria-labelledby="${period}">
<h3 id="${period}">${PERIODS[period]}</h3>
<dl class="figures"><div><dt>Verified</dt><dd>${numberText(verified ?? 0)}</dd></div>
<div><dt>Median</dt><dd>${durationText(p50Seconds)}</dd></div>
<div><dt>99 %</dt><dd>${durationText(p99Seconds)}</dd></div></dl>
!${verified === 0 ? empty(isComplete) : charts(period, statistics)}!${counting}</section>`
}

function empty(isComplete: boolean): Html {
  return isComplete ? '<p class="empty">No user was logged out in this time.</p>' : ''
}

function charts(period: Period, { intervals, intervalSeconds }: Statistics): Html {
  const times = intervals.map(({ from }) => from)
  const each = intervalSeconds === 60 ? 'minute' : `${intervalSeconds / 60} minutes`
  const counts = intervals.map(({ verified }) => verified)
  const most = Math.max(...counts.map((count) => count ?? 0))
  return html`!${barChart({
    id: `${period}-users`,
    title: `Verified per ${each}`,
    description: `${PERIODS[period]}: up to ${most} in ${each === 'minute' ? 'a minute' : each}.`,
    times,
    values: counts,
  })}!${rangeChart({
    id: `${period}-time`,
    title: 'Time to verified: median to 99 %',
    description: `${PERIODS[period]}: from acceptance to the proof that no token is left, on a logarithmic scale.`,
    times,
    ranges: intervals.map(({ p50Seconds, p99Seconds }) =>
      p50Seconds === null || p99Seconds === null ? null : [p50Seconds, p99Seconds],
    ),
  })}!${figures(period, intervals)}`
}

function figures(period: Period, intervals: readonly Interval[]): Html {
  const rows = intervals.filter(({ verified }) => verified !== 0).toReversed()
  const name = `${PERIODS[period]} in numbers`
  const content = table(
    name,
    [
      { name: 'From', cell: ({ from }) => shortTime(from) },
      { name: 'Verified', isNumber: true, cell: ({ verified }) => text(verified ?? 'not counted yet') },
      { name: 'Median', isNumber: true, cell: ({ p50Seconds }) => text(durationText(p50Seconds)) },
      { name: '99 %', isNumber: true, cell: ({ p99Seconds }) => text(durationText(p99Seconds)) },
    ],
    rows,
    'No user was logged out in this time.',
  )
  return html`<details id="${period}-figures"><summary>Show numbers</summary>!${content}</details>`
}
