import { WAITS, type Wait } from '../base/waits.ts'
import { comingText } from './times.ts'

/** What revocations wait for, and until when, in a sentence. */
export function waitText({ what, until }: Wait, now?: number): string {
  return `Waits for ${WAITS[what] ?? what}${until ? `, until ${comingText(until, now)}` : ''}.`
}
