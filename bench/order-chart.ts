export interface Contender {
  name: string
  colour: string
  /** Minutes until each user has no token left. */
  times: readonly number[]
}

/** The share of users logged out over time, one line for each contender, as SVG. */
export function chart(contenders: readonly Contender[], users: number): string {
  const [width, height, left, bottom, top] = [760, 380, 60, 44, 16]
  const last = Math.max(...contenders.flatMap(({ times }) => times))
  const x = (minute: number) => left + (minute / last) * (width - left - 16)
  const y = (part: number) => top + (1 - part) * (height - top - bottom)
  const line = (times: readonly number[]) => {
    const sorted = times.toSorted((a, b) => a - b)
    const points = Array.from({ length: 201 }, (_, i) => {
      const minute = (i / 200) * last
      const done = sorted.findLastIndex((time) => time <= minute) + 1
      return `${x(minute).toFixed(1)},${y(done / sorted.length).toFixed(1)}`
    })
    return points.join(' ')
  }
  const parts = [0, 0.25, 0.5, 0.75, 1]
  const hours = Array.from({ length: Math.floor(last / 120) + 1 }, (_, i) => i * 2)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13" role="img" aria-label="Users logged out over time, for each order">
<rect width="${width}" height="${height}" fill="#fff"/>
${parts.map((part) => `<line x1="${left}" x2="${width - 16}" y1="${y(part)}" y2="${y(part)}" stroke="#ddd"/><text x="${left - 8}" y="${y(part) + 4}" text-anchor="end">${part * 100} %</text>`).join('\n')}
${hours.map((hour) => `<text x="${x(hour * 60).toFixed(1)}" y="${height - bottom + 18}" text-anchor="middle">${hour} h</text>`).join('\n')}
<text x="${width / 2}" y="${height - 6}" text-anchor="middle">Time until users have no token left; ${users} users at once, one client</text>
${contenders.map(({ colour, times }) => `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${line(times)}"/>`).join('\n')}
${contenders.map(({ name, colour }, i) => `<text x="${width - 220}" y="${y(0.42) + i * 20}" fill="${colour}">${name}</text>`).join('\n')}
</svg>
`
}
