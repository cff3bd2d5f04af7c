import { styleText } from 'node:util'

type Format = Parameters<typeof styleText>[0]

/** Prints a line on standard output. */
export function print(line = ''): void {
  process.stdout.write(`${line}\n`)
}

/** Prints the result of a command for scripts. */
export function printJson(value: unknown): void {
  print(jsonText(value, 2))
}

/** JSON that a terminal can show: what it would interpret is escaped. `JSON.stringify` escapes only U+0000 to U+001F. */
export function jsonText(value: unknown, indent?: number): string {
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(value, null, indent).replaceAll(INTERPRETED, (character) =>
    character === '\n' ? character : escaped(character),
  )
}

/** Prints a line for people on standard error, so that it does not mix with the result. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** Colors a text if standard output is a terminal and NO_COLOR is not set. */
export function paint(format: Format, text: string): string {
  return styleText(format, text, { stream: process.stdout })
}

/** Whether questions can be asked and progress can be animated. */
export function isInteractive(): boolean {
  return Boolean(process.stdin.isTTY && process.stderr.isTTY)
}

/** Control characters, line separators, and marks that change the direction of text. */
const INTERPRETED =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to replace
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** Text that comes from others: on one line, and without what a terminal would interpret. */
export function printable(text: unknown): string {
  return String(text).replaceAll(INTERPRETED, '�')
}

/** Rows in aligned columns. The first row is the heading. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>(
    (found, row) => row.map((cell, column) => Math.max(found[column] ?? 0, cell.length)),
    [],
  )
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return lines.map((line, index) => (index === 0 ? paint('bold', line) : line))
}

const number = new Intl.NumberFormat('en')

/** `1,234 users`, `1 user`. */
export function count(amount: number, singular: string, plural = `${singular}s`): string {
  return `${number.format(amount)} ${amount === 1 ? singular : plural}`
}

/** Standard output is often closed early: `curfew … | head`. What the command has found so far decides the exit code. */
export function exitOnClosedOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? process.exitCode : 1)
  })
}
