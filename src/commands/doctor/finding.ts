import { paint, printable } from '../../cli/terminal.ts'

/** One line of the report. */
export interface Finding {
  what: string
  status: 'ok' | 'warning' | 'failed' | 'skipped'
  detail: string
  /** What Curfew assumes, if that can differ. */
  assumed?: string
  /** What to do about it. */
  action?: string
}

export const ok = (what: string, detail: string): Finding => ({ what, status: 'ok', detail })
export const skipped = (what: string, detail: string): Finding => ({ what, status: 'skipped', detail })
export const warning = (what: string, detail: string, action: string): Finding => ({
  what,
  status: 'warning',
  detail,
  action,
})
export const failed = (what: string, detail: string, action: string): Finding => ({
  what,
  status: 'failed',
  detail,
  action,
})

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

const MARKS = {
  ok: ['green', '✔'],
  warning: ['yellow', '!'],
  failed: ['red', '✘'],
  skipped: ['gray', '–'],
} as const

/** A finding for people. Its texts may come from others. */
export function linesOf({ what, status, detail, assumed, action }: Finding): string[] {
  const [color, mark] = MARKS[status]
  return [
    `${paint(color, mark)} ${printable(what)}: ${printable(detail)}`,
    ...(assumed ? [`    Curfew assumes: ${assumed}`] : []),
    ...(action ? [`    ${printable(action)}`] : []),
  ]
}
