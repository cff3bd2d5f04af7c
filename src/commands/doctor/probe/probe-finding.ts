import type { Finding } from '../finding.ts'

/** What was observed, what Curfew assumes, and what to do if they differ. */
export interface ProbeFinding extends Finding {
  assumed: string
}

export function assume(assumed: string, finding: Finding): ProbeFinding {
  return { ...finding, assumed }
}

export function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`
}
