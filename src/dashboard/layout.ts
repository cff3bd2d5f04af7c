import { html } from 'ghtml'

export const PREFIX = '/dashboard'

/** HTML that is escaped already. Insert it with `!${…}`. */
export type Html = string

export interface PageOptions {
  title: string
  /** The section that the navigation marks. Null for pages without navigation. */
  section: Section | null
  csrf: string
  content: Html
}

const SECTIONS = {
  now: { path: '', name: 'Now' },
  revocations: { path: '/revocations', name: 'Revocations' },
} as const

export type Section = keyof typeof SECTIONS

/** A complete page. */
export function page({ title, section, csrf, content }: PageOptions): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} – Curfew</title>
<link rel="stylesheet" href="${PREFIX}/style.css">
<link rel="icon" href="data:,">
<script src="${PREFIX}/live.js" defer></script>
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header>
<span class="brand">Curfew</span>
!${section === null ? '' : navigation(section, csrf)}
</header>
<main id="main" tabindex="-1">
<h1>${title}</h1>
!${content}
</main>
</body>
</html>`
}

function navigation(section: Section, csrf: string): Html {
  const links = Object.entries(SECTIONS).map(
    ([key, { path, name }]) =>
      html`<li><a href="${PREFIX}${path}" !${key === section ? 'aria-current="page"' : ''}>${name}</a></li>`,
  )
  return html`<nav aria-label="Sections"><ul>!${links.join('')}</ul></nav>
<form method="post" action="${PREFIX}/sign-out">!${csrfField(csrf)}<button>Sign out</button></form>`
}

export function csrfField(csrf: string): Html {
  return html`<input type="hidden" name="_csrf" value="${csrf}">`
}

/** A time: the script shows it in the reader's time zone, with the exact one as title. */
export function time(at: string | null, otherwise = '–'): Html {
  if (at === null) return html`${otherwise}`
  return html`<time datetime="${at}" title="${at}">${at.slice(0, 19).replace('T', ' ')} UTC</time>`
}

export interface Column<Row> {
  name: string
  isNumber?: boolean
  cell: (row: Row) => Html
}

/** A table with a caption; `empty` in its place if there are no rows. */
export function table<Row>(
  caption: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  empty: Html,
): Html {
  if (rows.length === 0) return html`<p class="empty">!${empty}</p>`
  const classOf = ({ isNumber }: Column<Row>) => (isNumber ? ' class="number"' : '')
  const head = columns.map((column) => html`<th scope="col"!${classOf(column)}>${column.name}</th>`)
  const body = rows.map(
    (row) =>
      html`<tr>!${columns.map((column) => html`<td!${classOf(column)}>!${column.cell(row)}</td>`).join('')}</tr>`,
  )
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table><caption>${caption}</caption>
<thead><tr>!${head.join('')}</tr></thead><tbody>!${body.join('')}</tbody></table></div>`
}

/** Text in a cell. */
export const text = (value: string | number | null | undefined): Html => html`${value ?? '–'}`

export interface Problem {
  title: string
  detail?: string | undefined
  action?: string | undefined
}

export function problemBox({ title, detail, action }: Problem): Html {
  return html`<div class="problem" role="alert"><strong>${title}</strong>!${detail ? html`<p>${detail}</p>` : ''}!${action ? html`<p>${action}</p>` : ''}</div>`
}
