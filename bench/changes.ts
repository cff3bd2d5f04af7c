import type { Figure } from './support.ts'

/** A row of an earlier table. */
export interface Row {
  measured: string
  met: boolean
}

/** A larger change is marked. Smaller ones are within the noise of most figures. */
const MARKED_FROM = 0.1

/** The rows of the table in `bench/results.md`, by the name of the figure. */
export function rowsOf(results: string): Map<string, Row> {
  const rows = results.split('\n').flatMap((line) => {
    const [, number = '', name = '', measured = '', , ...rest] = line
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim())
    if (!/^\d+$/.test(number)) return []
    return [[name.replaceAll('\\|', '|'), { measured, met: rest.includes('met') }] as const]
  })
  return new Map(rows)
}

/** The figure's value in the previous run: bold if it changed by more than 10 % or if the verdict changed. */
export function before(
  { name, measured, met }: Pick<Figure, 'name' | 'measured' | 'met'>,
  rows: Map<string, Row>,
): string {
  const row = rows.get(name)
  if (row === undefined) return 'new'
  const [was, is] = [valueIn(row.measured), valueIn(measured)]
  const value = was?.text ?? row.measured
  if (row.met !== met) return `**${value}, ${row.met ? 'met' : 'missed'}**`
  const change = Math.abs((is?.number ?? Number.NaN) / (was?.number ?? Number.NaN) - 1)
  return change > MARKED_FROM ? `**${value}**` : value
}

/** The first number of a measurement, with its unit. */
function valueIn(measured: string): { text: string; number: number } | null {
  const [text, digits] = /(\d[\d,]*(?:\.\d+)?)(?:\/s| %| ms| s| MB)?/.exec(measured) ?? []
  return text === undefined || digits === undefined
    ? null
    : { text, number: Number(digits.replaceAll(',', '')) }
}
