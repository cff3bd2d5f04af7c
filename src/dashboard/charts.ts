import { html } from 'ghtml'
import { type Html, shortTime } from './layout.ts'
import { durationText, numberText } from './numbers.ts'

/**
 * A chart over time. All bars are one path: hundreds of elements would delay the first paint. The drawing is stretched to every
 * width; its text is outside of it.
 */
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
    value ? barPath(index, values.length, { from: 0, to: value / top }) : '',
  )
  return figure(chart, ticks, path('bar', bars))
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
  const paths = (shape: (index: number, range: readonly [number, number]) => string) =>
    ranges.map((range, index) => (range ? shape(index, range) : ''))
  const bars = paths((index, [from, to]) =>
    barPath(index, ranges.length, { from: place(from), to: place(to) }),
  )
  const edges = (which: 0 | 1) => paths((index, range) => edgePath(index, ranges.length, place(range[which])))
  return figure(chart, ticks, path('range', bars) + path('p99', edges(1)) + path('p50', edges(0)))
}

/** In a drawing of 100 by 100. */
const part = (value: number) => Number((value * 100).toFixed(2))
const left = (index: number, of: number) => part((index + (1 - BAR) / 2) / of)

function barPath(index: number, of: number, { from, to }: { from: number; to: number }): string {
  const width = part(BAR / of)
  return `M${left(index, of)} ${part(1 - to)}h${width}v${part(to - from)}h-${width}z`
}

function edgePath(index: number, of: number, at: number): string {
  return `M${left(index, of)} ${part(1 - at)}h${part(BAR / of)}`
}

const path = (name: string, shapes: readonly string[]): Html =>
  html`<path class="${name}" d="${shapes.join('')}"/>`

function figure({ id, title, description, times }: Chart, ticks: readonly Tick[], content: Html): Html {
  const grid = path(
    'grid',
    ticks.map(({ at }) => `M0 ${part(1 - at)}h100`),
  )
  const labels = ticks.map(
    ({ at, text }) => html`<text x="100%" y="${percent(1 - at)}" dy=".35em" text-anchor="end">${text}</text>`,
  )
  const middle = times[Math.floor(times.length / 2)] ?? null
  return html`<figure class="chart"><figcaption>${title}</figcaption>
<div class="plot"><svg class="scale" aria-hidden="true">!${labels.join('')}</svg>
<svg class="area" viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-labelledby="${id}-title ${id}-description"><title id="${id}-title">${title}</title><desc id="${id}-description">${description} The numbers are in the table below.</desc>!${grid}!${content}</svg></div>
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
    value === 0 ? '' : barPath(index, values.length, { from: 0, to: Math.max(value / most, 0.08) }),
  )
  return html`<svg class="sparkline" viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="${description}">!${path('grid', ['M0 100h100'])}!${path('bar', bars)}</svg>`
}
