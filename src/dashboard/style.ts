/** The style sheet. Both color schemes have a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3). */
export const STYLE = `
:root { color-scheme: light dark; --text: light-dark(#1b1f24, #e6e9ee); --muted: light-dark(#57606a, #a3acb9);
  --page: light-dark(#fbfcfd, #14171b); --panel: light-dark(#fff, #1c2026); --line: light-dark(#d5dae1, #363c46);
  --control: light-dark(#7b8490, #7d8795); --link: light-dark(#0b57d0, #8ab4f8); --bad: light-dark(#b3261e, #f2b8b5);
  --good: light-dark(#146c2e, #8fd8a0); --bar: light-dark(#3b73d9, #7ba7f5); --range: light-dark(#b9cdf3, #35507f);
  --shade: light-dark(#eff2f6, #22272e); --on-link: light-dark(#fff, #10151d); }
* { box-sizing: border-box; }
body { margin: 0; font: .9375rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); }
a { color: var(--link); text-underline-offset: .15em; }
code { font: .875em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: .5rem; top: .5rem; padding: .5rem; background: var(--page); z-index: 1; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: center; padding: .5rem 1.5rem;
  background: var(--panel); border-bottom: 1px solid var(--line); }
header form { margin-left: auto; }
.brand { font-weight: 700; font-size: 1.0625rem; letter-spacing: -.01em; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem; margin: 0; padding: 0; list-style: none; }
nav a { display: block; padding: .3rem .7rem; border-radius: .4rem; color: var(--muted); text-decoration: none; }
nav a:hover { color: var(--text); background: var(--shade); }
nav a[aria-current] { font-weight: 600; color: var(--text); background: var(--shade); box-shadow: inset 0 -2px var(--link); }
main { max-width: 84rem; margin: 0 auto; padding: 1.5rem; }
main:focus { outline: none; }
h1 { font-size: 1.5rem; line-height: 1.2; letter-spacing: -.015em; margin: 0 0 1.25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.125rem; line-height: 1.3; margin: 2rem 0 .75rem; } h3 { font-size: .9375rem; margin: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); gap: .75rem; margin: 0; padding: 0;
  list-style: none; }
.tiles li, .panel, .filters, .state { background: var(--panel); border: 1px solid var(--line); border-radius: .6rem; }
.tiles li { display: flex; flex-direction: column-reverse; padding: .75rem 1rem; color: var(--muted); }
.tiles b { font-size: 1.75rem; line-height: 1.25; font-weight: 600; font-variant-numeric: tabular-nums; color: var(--text); }
.tiles b.bad { color: var(--bad); }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: .75rem; }
.panel { padding: 1rem; min-width: 0; }
.figures { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: .5rem 0 0; } .figures dt { font-size: .8125rem; }
.figures dd { font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.chart { margin: 1rem 0 0; } figcaption { font-size: .8125rem; color: var(--muted); margin-bottom: .5rem; }
.plot { display: flex; gap: .5rem; padding: .5rem 0; }
.plot svg { height: 6rem; overflow: visible; } .scale { flex: none; width: 3.25rem; } .area { flex: 1; min-width: 0; }
.scale text { fill: var(--muted); font-size: .75rem; font-variant-numeric: tabular-nums; }
.grid, .p50, .p99 { fill: none; vector-effect: non-scaling-stroke; } .grid { stroke: var(--line); } .bar { fill: var(--bar); } .range { fill: var(--range); }
.p50, .p99 { stroke: var(--bar); stroke-width: 2; } .p99 { stroke-width: 1; }
.axis { display: flex; justify-content: space-between; margin-left: 3.75rem; font-size: .75rem; color: var(--muted);
  font-variant-numeric: tabular-nums; }
.sparkline { width: 6rem; height: 1.25rem; vertical-align: middle; overflow: visible; } .sparkline .bar { fill: var(--bad); }
details { margin-top: .75rem; } summary { cursor: pointer; color: var(--link); width: max-content; max-width: 100%; }
td details { margin: 0; } .json { display: block; white-space: pre-wrap; min-width: 12rem; }
.scroll { overflow-x: auto; margin-top: 1.5rem; border: 1px solid var(--line); border-radius: .6rem; background: var(--panel); }
table { width: 100%; border-collapse: collapse; }
caption { text-align: left; font-weight: 600; font-size: 1rem; padding: .75rem 1rem; }
th, td { padding: .5rem 1rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
th { font-size: .8125rem; font-weight: 600; color: var(--muted); background: var(--shade); white-space: nowrap; }
tbody tr:hover { background: var(--shade); }
td time, td > code { white-space: nowrap; } time, td { font-variant-numeric: tabular-nums; }
.number { text-align: right; }
.panel .scroll, .state .scroll { margin-top: .75rem; max-height: 20rem; } .panel th, .state th { position: sticky; top: 0; }
.state { padding: .75rem 1rem; margin-bottom: 1rem; } .state p { margin: 0; } .filters { padding: 1rem; }
.fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(13rem, 100%), 1fr)); gap: .75rem 1rem; }
details .fields { margin-top: .75rem; }
.buttons { display: flex; flex-wrap: wrap; gap: 1rem; align-items: center; margin-top: 1rem; }
label { display: block; font-size: .8125rem; color: var(--muted); margin-bottom: .2rem; }
input, select, textarea, button { font: inherit; color: inherit; background: var(--page); border: 1px solid var(--control);
  border-radius: .4rem; padding: .35rem .65rem; min-height: 2.25rem; max-width: 100%; }
.fields input, .fields select { width: 100%; }
::placeholder { color: var(--muted); opacity: 1; }
button { cursor: pointer; background: var(--panel); font-weight: 500; } button:hover { background: var(--shade); }
.sign-in { max-width: 24rem; } .sign-in input { width: 100%; } .sign-in p { margin: 0 0 1rem; }
.primary { color: var(--on-link); background: var(--link); border-color: var(--link); }
.primary:hover { background: var(--link); text-decoration: underline; }
.empty, .hint { color: var(--muted); } .hint { font-size: .8125rem; } .bad { color: var(--bad); } .good { color: var(--good); }
p.empty { padding: 1.25rem; border: 1px dashed var(--line); border-radius: .6rem; }
.count { margin: 1.25rem 0 -.75rem; color: var(--muted); }
.problem { border: 1px solid var(--line); border-left: 4px solid var(--bad); border-radius: .4rem; padding: .75rem 1rem;
  background: var(--panel); margin-bottom: 1rem; } .problem p { margin: .35rem 0 0; }
.live { max-width: 84rem; margin: 0 auto; padding: 0 1.5rem 1.5rem; color: var(--muted); font-size: .8125rem; min-height: 2.5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.5rem; } dt { color: var(--muted); } dd { margin: 0; }
.key { color: var(--muted); font-size: .875rem; }
.notice { border-left: 4px solid var(--link); padding: .5rem 1rem; background: var(--panel); }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; margin: 1rem 0; }
.inline { display: inline-block; margin: 0 .5rem .25rem 0; }
textarea, progress { width: 100%; } [type=checkbox] { min-height: 0; width: 1.1rem; height: 1.1rem; vertical-align: middle; }
dd { overflow-wrap: anywhere; }
.needs-script { display: none; } .has-script .needs-script { display: block; }
@media (max-width: 40rem) { main { padding: 1rem; } header { padding: .5rem 1rem; } .live { padding: 0 1rem 1rem; }
  dl:not(.figures) { grid-template-columns: 1fr; } dl:not(.figures) dd { margin-bottom: .5rem; } th, td { padding: .4rem .75rem; }
  table { min-width: 34rem; } header form { margin-left: 0; } }
@media (prefers-reduced-motion: no-preference) { a, button { transition: background-color .1s; } }
@media (forced-colors: active) { .bar, .range { fill: CanvasText; } .p50, .p99, .grid { stroke: CanvasText; }
  .range { fill-opacity: .3; } .scale text { fill: CanvasText; } nav a[aria-current] { text-decoration: underline; } }
`
