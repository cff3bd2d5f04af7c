/** The latest of these times; null if there are none. */
export function latest(...times: readonly (number | null)[]): number | null {
  return choose(times, Math.max)
}

/** The earliest of these times; null if there are none. */
export function earliest(...times: readonly (number | null)[]): number | null {
  return choose(times, Math.min)
}

function choose(
  times: readonly (number | null)[],
  pick: (one: number, other: number) => number,
): number | null {
  const known = times.filter((time) => time !== null)
  return known.length > 0 ? known.reduce((one, other) => pick(one, other)) : null
}
