import { html } from 'ghtml'
import { WAITS, type Wait } from '../base/waits.ts'
import { type Html, text, time } from './layout.ts'

/** What a revocation or a tenant waits for, and until when. */
export function waitOf({ what, until }: Wait): Html {
  return html`!${text(WAITS[what] ?? what)}!${until ? html`, until !${time(until)}` : ''}`
}
