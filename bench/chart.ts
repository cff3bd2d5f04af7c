import { parse, type Spec, View } from 'vega'

export interface Line {
  name: string
  colour: string
  /** When each user had no token left. Shorter than `users` if some users still have tokens. */
  times: readonly number[]
  users: number
}

/** Lines differ visibly at this many steps of the x axis. */
const STEPS = 1_000

/** The share of users logged out over time, one line for each contender, as SVG. */
export function chart(lines: readonly Line[], xTitle: string): Promise<string> {
  const last = Math.max(...lines.flatMap(({ times }) => times))
  const spec: Spec = {
    ...{ width: 660, height: 300, padding: 12, background: 'white' },
    data: [{ name: 'points', values: lines.flatMap((line) => pointsOf(line, last)) }],
    scales: [
      { name: 'x', type: 'linear', range: 'width', domain: [0, last] },
      { name: 'y', type: 'linear', range: 'height', domain: [0, 1] },
      {
        ...{ name: 'colour', type: 'ordinal' },
        ...{ domain: lines.map(({ name }) => name), range: lines.map(({ colour }) => colour) },
      },
    ],
    axes: [
      { scale: 'x', orient: 'bottom', title: xTitle },
      { scale: 'y', orient: 'left', title: 'Users without a token', format: '%', tickCount: 5, grid: true },
    ],
    legends: [{ ...{ stroke: 'colour', symbolType: 'stroke', symbolStrokeWidth: 3 }, orient: 'bottom' }],
    config: { legend: { labelLimit: 0, labelFontSize: 12 }, axis: { labelFontSize: 12, titleFontSize: 12 } },
    marks: [
      {
        type: 'group',
        from: { facet: { name: 'line', data: 'points', groupby: 'name' } },
        marks: [
          {
            type: 'line',
            from: { data: 'line' },
            encode: {
              enter: {
                x: { scale: 'x', field: 'time' },
                y: { scale: 'y', field: 'share' },
                stroke: { scale: 'colour', field: 'name' },
                ...{ strokeWidth: { value: 2 }, interpolate: { value: 'step-after' } },
              },
            },
          },
        ],
      },
    ],
  }
  return new View(parse(spec), { renderer: 'none' }).toSVG()
}

/** One point for each step at which the share changes, and one at the end of the axis. */
function pointsOf({ name, times, users }: Line, last: number) {
  const shares = new Map([[0, 0]])
  for (const [index, time] of times.toSorted((a, b) => a - b).entries())
    shares.set(Math.ceil((time / last) * STEPS), (index + 1) / users)
  const points = [...shares].map(([step, share]) => ({ name, time: (step / STEPS) * last, share }))
  return [...points, { name, time: last, share: times.length / users }]
}
