const UNITS = [
  { seconds: 86_400, name: 'd' },
  { seconds: 3_600, name: 'h' },
  { seconds: 60, name: 'min' },
  { seconds: 1, name: 's' },
] as const

/** A duration to two or three digits, such as `5.2 s`, `12 min` or `2.5 h`. */
export function durationText(seconds: number | null): string {
  if (seconds === null) return '–'
  const { seconds: size, name } = UNITS.find((unit) => seconds >= unit.seconds) ?? UNITS[3]
  const value = seconds / size
  if (seconds < 0.1) return '< 0.1 s'
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} ${name}`
}

const DIGITS = new Intl.NumberFormat('en')

/** A number with its digits in groups, such as `7,786`. */
export function numberText(value: number): string {
  return DIGITS.format(value)
}

/** A count of the API: a number, or a lower bound such as `10,000 or more`. */
export function countText({ value, isExact }: { value: number; isExact: boolean }): string {
  return `${numberText(value)}${isExact ? '' : ' or more'}`
}
