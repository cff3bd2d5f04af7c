import { hash } from 'node:crypto'
import { FORMS_SCRIPT } from './forms-script.ts'
import { LIVE_SCRIPT } from './live-script.ts'
import { STYLE } from './style.ts'

/** What pages load: paths below `/dashboard`. */
export const ASSETS = [
  { path: '/style.css', type: 'text/css; charset=utf-8', content: STYLE },
  { path: '/live.js', type: 'text/javascript; charset=utf-8', content: LIVE_SCRIPT },
  { path: '/forms.js', type: 'text/javascript; charset=utf-8', content: FORMS_SCRIPT },
] as const

/** Part of the address of each, so that browsers keep them until one changes. */
export const VERSION = hash('sha256', ASSETS.map(({ content }) => content).join('')).slice(0, 12)
