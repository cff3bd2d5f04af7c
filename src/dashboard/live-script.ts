/**
 * Shows times in the reader's time zone, those of today without the date. Loads a live page again when something happened, at most
 * every two seconds, and every half minute, unless something is entered or selected in it, or a button has the focus. Changes nothing
 * if nothing has changed, for screen readers. A page that is not visible holds no event stream: browsers allow few connections to a
 * host. Without JavaScript, the pages work, and show UTC.
 */
export const LIVE_SCRIPT = `'use strict'
const CHANGED_MS = 2000, CALM_MS = 30000, AGAIN_MS = 60000
const main = () => document.getElementById('main')
const isChanged = (field) => field.options
  ? field.selectedIndex !== Math.max(0, [...field.options].findLastIndex((option) => option.defaultSelected))
  : field.value !== field.defaultValue || field.checked !== field.defaultChecked
const isBusy = () => (main().contains(document.activeElement) && document.activeElement.matches('input, select, textarea, button')) ||
  [...main().querySelectorAll('input, select, textarea')].some(isChanged)
const contentOf = (element) => element.innerHTML.replaceAll(/name="_csrf" value="[^"]*"/g, '')
let shown = contentOf(main())
const formatOf = (options) => new Intl.DateTimeFormat([], options)
// Creating one takes about as long as laying out a row.
const SHORT = formatOf({ hour: '2-digit', minute: '2-digit' }), TODAY = formatOf({ timeStyle: 'medium' })
const OTHER_DAY = formatOf({ dateStyle: 'medium', timeStyle: 'medium' })
const local = () => {
  const today = new Date().toDateString()
  for (const time of document.querySelectorAll('time')) {
    const date = new Date(time.dateTime)
    const format = 'short' in time.dataset ? SHORT : date.toDateString() === today ? TODAY : OTHER_DAY
    time.textContent = format.format(date)
  }
}

const FOCUSABLE = 'a, summary, [tabindex]'
const nameOf = (element) => element.id || element.parentElement.id || element.getAttribute('href') || element.getAttribute('aria-label')
const scrollable = () => [...main().querySelectorAll('.scroll')]
function replace(next) {
  const content = contentOf(next)
  if (content === shown) return
  shown = content
  const scrolled = new Map(scrollable().map((one) => [nameOf(one), one.scrollLeft]))
  const open = new Set([...main().querySelectorAll('details[open]')].map(({ id }) => id))
  const focused = main().contains(document.activeElement) ? nameOf(document.activeElement) : null
  for (const details of next.querySelectorAll('details')) if (open.has(details.id)) details.open = true
  main().replaceChildren(...next.childNodes)
  local()
  for (const one of scrollable()) one.scrollLeft = scrolled.get(nameOf(one)) ?? 0
  if (focused)
    [...main().querySelectorAll(FOCUSABLE)].find((one) => nameOf(one) === focused)?.focus({ preventScroll: true })
}
let waiting = false, hasEnded = false
async function refresh() {
  waiting = false
  if (hasEnded || isBusy() || document.hidden) return
  const response = await fetch(location.href).catch(() => null)
  if (!response) return say('Curfew cannot be reached. Trying again.')
  if (response.redirected) return end()
  if (!response.ok) return
  const next = new DOMParser().parseFromString(await response.text(), 'text/html').getElementById('main')
  if (next && !isBusy()) replace(next)
}
function changed() {
  if (waiting) return
  waiting = true
  setTimeout(refresh, CHANGED_MS)
}

const say = (text) => { const live = document.getElementById('live'); if (live.textContent !== text) live.textContent = text }
let stream = null
function follow() {
  if (stream || hasEnded || document.hidden) return
  stream = new EventSource('/dashboard/events')
  stream.onopen = () => say('')
  stream.onmessage = changed
  stream.onerror = async () => {
    if (stream?.readyState !== EventSource.CLOSED) return
    stream = null
    const response = await fetch(location.href, { method: 'HEAD' }).catch(() => null)
    if (response?.redirected) return end()
    say('Live updates are off: too many pages are open, or there is no audit trail. This page updates every 30 seconds.')
    setTimeout(follow, AGAIN_MS)
  }
}
function leave() {
  stream?.close()
  stream = null
}
function end() {
  hasEnded = true
  leave()
  say('Your session has ended. Sign in again.')
}
local()
if (main().hasAttribute('data-live')) {
  follow()
  setInterval(refresh, CALM_MS)
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return leave()
    follow()
    changed()
  })
}
`
