import { html } from 'ghtml'
import { type Html, shortTime } from './layout.ts'
import { durationText, numberText } from './numbers.ts'

/** A chart over time: the positions are percentages, so that it fits every width without scaling its text. */
export interface Chart {
  /** Unique in the page. */
  id: string
  title: string
  /** What the chart shows, in words. */
  description: string
  /** The beginning of each interval, oldest first. */
  times: readonly string[]
}

interface Tick {
  /** From 0, at the bottom, to 1. */
  at: number
  text: string
}

/** The part of an interval that its bar fills. */
const BAR = 0.76
/** Values of an axis for durations, in seconds. */
const DURATION_TICKS = [0.1, 1, 10, 60, 600, 3_600, 36_000, 360_000, 3_600_000]

const percent = (part: number) => `${Number((part * 100).toFixed(2))}%`

/** A number for each interval; null if it is unknown. */
export function barChart({ values, ...chart }: Chart & { values: readonly (number | null)[] }): Html {
  const top = roundAbove(Math.max(...values.map((value) => value ?? 0)))
  const ticks = [0, top / 2, top].filter(Number.isInteger).map((value) => ({
    at: value / top,
    text: numberText(value),
  }))
  const bars = values.map((value, index) =>
    value ? bar(index, values.length, { from: 0, to: value / top, text: String(value) }) : '',
  )
  return figure(chart, ticks, bars.join(''))
}

/** Two durations in seconds for each interval, the shorter one first; null if there is none. */
export function rangeChart({
  ranges,
  ...chart
}: Chart & { ranges: readonly (readonly [number, number] | null)[] }): Html {
  const all = ranges.flatMap((range) => range ?? [])
  const bottom = DURATION_TICKS.findLast((tick) => tick <= Math.min(...all)) ?? 0.1
  const top = DURATION_TICKS.find((tick) => tick > Math.max(...all)) ?? Math.max(...all)
  const place = (seconds: number) =>
    Math.max(0, Math.log(Math.max(seconds, bottom) / bottom) / Math.log(top / bottom))
  const ticks = DURATION_TICKS.filter((tick) => tick >= bottom && tick <= top).map((tick) => ({
    at: place(tick),
    text: durationText(tick),
  }))
  const bars = ranges.map((range, index) => {
    if (range === null) return ''
    const [from, to] = [place(range[0]), place(range[1])]
    const text = `median ${durationText(range[0])}, 99 % ${durationText(range[1])}`
    return bar(index, ranges.length, { from, to, text, isRange: true })
  })
  return figure(chart, ticks, bars.join(''))
}

function bar(
  index: number,
  of: number,
  { from, to, text, isRange = false }: { from: number; to: number; text: string; isRange?: boolean },
): Html {
  const [x, end] = [(index + (1 - BAR) / 2) / of, (index + (1 + BAR) / 2) / of]
  const line = (at: number, name: string) =>
    html`<line class="${name}" x1="${percent(x)}" x2="${percent(end)}" y1="${percent(1 - at)}" y2="${percent(1 - at)}"/>`
  const edges = isRange ? line(to, 'p99') + line(from, 'p50') : ''
  return html`<g><title>${text}</title><rect class="!${isRange ? 'range' : 'bar'}" x="${percent(x)}" width="${percent(end - x)}" y="${percent(1 - to)}" height="${percent(to - from)}"/>!${edges}</g>`
}

function figure({ id, title, description, times }: Chart, ticks: readonly Tick[], content: Html): Html {
  const grid = ticks.map(
    ({ at }) => html`<line class="grid" x1="0" x2="100%" y1="${percent(1 - at)}" y2="${percent(1 - at)}"/>`,
  )
  const labels = ticks.map(
    ({ at, text }) => html`<text x="100%" y="${percent(1 - at)}" dy=".35em" text-anchor="end">${text}</text>`,
  )
  const middle = times[Math.floor(times.length / 2)] ?? null
  return html`<figure class="chart"><figcaption>${title}</figcaption>
<div class="plot"><svg class="scale" aria-hidden="true">!${labels.join('')}</svg>
<svg class="area" role="img" aria-labelledby="${id}-title ${id}-description"><title id="${id}-title">${title}</title><desc id="${id}-description">${description} The numbers are in the table below.</desc>!${grid.join('')}!${content}</svg></div>
<div class="axis"><span>!${shortTime(times[0] ?? null)}</span><span>!${shortTime(middle)}</span><span>now</span></div></figure>`
}

/** A few times a power of ten: the smallest such number that is not below the value. */
function roundAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)))
  return [1, 2, 3, 4, 6, 8, 10].map((factor) => factor * power).find((one) => one >= value) ?? value
}

/** A row of small bars, for a cell of a table. @param description the numbers in words */
export function sparkline(values: readonly number[], description: string): Html {
  const most = Math.max(...values, 1)
  const bars = values.map((value, index) =>
    value === 0
      ? ''
      : bar(index, values.length, { from: 0, to: Math.max(value / most, 0.08), text: String(value) }),
  )
  return html`<svg class="sparkline" role="img" aria-label="${description}"><line class="grid" x1="0" x2="100%" y1="100%" y2="100%"/>!${bars.join('')}</svg>`
}
