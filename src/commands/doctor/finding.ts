/** One line of the report. */
export interface Finding {
  what: string
  status: 'ok' | 'warning' | 'failed' | 'skipped'
  detail: string
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
