/** The style sheet. Both color schemes have a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3). */
export const STYLE = `
:root { color-scheme: light dark; --text: light-dark(#1a1c20, #e8eaed); --muted: light-dark(#555b66, #a9b0bb);
  --page: light-dark(#fff, #16181c); --panel: light-dark(#f3f4f6, #212429); --line: light-dark(#c9cdd4, #3d434c);
  --link: light-dark(#0b57d0, #8ab4f8); --bad: light-dark(#b3261e, #f2b8b5); --good: light-dark(#146c2e, #8fd8a0); }
* { box-sizing: border-box; }
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: .5rem; top: .5rem; padding: .5rem; background: var(--page); }
header { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: center; padding: .75rem 1.25rem;
  border-bottom: 1px solid var(--line); }
header form { margin-left: auto; }
.brand { font-weight: 700; }
nav ul { display: flex; gap: 1rem; margin: 0; padding: 0; list-style: none; }
nav a[aria-current] { font-weight: 700; text-decoration: none; }
main { max-width: 80rem; margin: 0 auto; padding: 1.25rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .75rem; padding: 0; list-style: none; }
.tiles li { padding: .75rem; background: var(--panel); border-radius: .5rem; }
.tiles b { display: block; font-size: 1.6rem; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; }
caption { text-align: left; font-weight: 700; padding: .5rem 0; }
th, td { padding: .4rem .75rem .4rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.filters { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; }
label { display: block; font-size: .875rem; color: var(--muted); }
input, select, button { font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line); border-radius: .35rem;
  padding: .35rem .6rem; }
button { cursor: pointer; background: var(--panel); }
.empty { color: var(--muted); } .bad { color: var(--bad); } .good { color: var(--good); }
.problem { border-left: 4px solid var(--bad); padding: .5rem 1rem; background: var(--panel); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; } dt { color: var(--muted); } dd { margin: 0; }
.key { color: var(--muted); font-size: .875rem; }
.notice { border-left: 4px solid var(--link); padding: .5rem 1rem; background: var(--panel); }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; margin: 1rem 0; }
textarea { font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line); border-radius: .35rem;
  padding: .35rem .6rem; width: 100%; }
progress { width: 100%; }
select, input { max-width: 100%; } .filters > div, .actions > div { max-width: 100%; } dd { overflow-wrap: anywhere; } code { overflow-wrap: break-word; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } }
.needs-script { display: none; } .has-script .needs-script { display: block; }
`

/**
 * Shows times in the reader's time zone, and loads the page again, at most every two seconds, when something happened. Without
 * it, the pages work, and show UTC. It does not replace a page in which something is entered or selected.
 */
export const SCRIPT = `'use strict'
const local = () => {
  for (const time of document.querySelectorAll('time')) time.textContent = new Date(time.dateTime).toLocaleString()
}
const main = () => document.getElementById('main')
const isChanged = (field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked
const isBusy = () => (main().contains(document.activeElement) && document.activeElement.matches('input, select, textarea')) ||
  [...main().querySelectorAll('input, textarea')].some(isChanged)
let waiting = false
async function refresh() {
  waiting = false
  if (isBusy() || document.hidden) return
  const response = await fetch(location.href)
  if (!response.ok || response.redirected) return
  const next = new DOMParser().parseFromString(await response.text(), 'text/html').getElementById('main')
  if (!next || isBusy()) return
  main().replaceChildren(...next.childNodes)
  local()
}
function changed() {
  if (waiting) return
  waiting = true
  setTimeout(refresh, 2000)
}
local()
if (main().hasAttribute('data-live')) {
  new EventSource('/dashboard/events').onmessage = changed
  document.addEventListener('visibilitychange', changed)
}
`
