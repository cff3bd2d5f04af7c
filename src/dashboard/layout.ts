import { html } from 'ghtml'
import { VERSION } from './assets.ts'
import { numberText } from './numbers.ts'
import type { Operator } from './operator.ts'

export const PREFIX = '/dashboard'

/** HTML that is escaped already. Insert it with `!${…}`. */
export type Html = string

export interface PageOptions {
  title: string
  /** The section that the navigation marks; null for none. */
  section: Section | null
  /** Null for pages without navigation. */
  operator: Operator | null
  /** Whether the page shows the current state, so that the script may load it again. */
  isLive?: boolean
  csrf: string
  content: Html
}

const SECTIONS = {
  now: { path: '', name: 'Now' },
  revocations: { path: '/revocations', name: 'Revocations' },
  failed: { path: '/failed', name: 'Failed' },
  revoke: { path: '/revoke', name: 'Revoke' },
  senders: { path: '/senders', name: 'Sources and keys' },
  receivers: { path: '/receivers', name: 'Receivers' },
  audit: { path: '/audit', name: 'Audit trail' },
} as const

export type Section = keyof typeof SECTIONS

/** A complete page. */
export function page({ title, section, operator, isLive = false, csrf, content }: PageOptions): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} – Curfew</title>
<link rel="stylesheet" href="${PREFIX}/style.css?v=${VERSION}">
<link rel="icon" href="data:,">
<script src="${PREFIX}/live.js?v=${VERSION}" defer></script>
<script src="${PREFIX}/forms.js?v=${VERSION}" defer></script>
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header>
<span class="brand">Curfew</span>
!${operator === null ? '' : navigation(section, operator, csrf)}
</header>
<main id="main" tabindex="-1"!${isLive ? ' data-live' : ''}>
!${operator?.expiresSoonAt ? expiryNotice(operator.expiresSoonAt) : ''}<h1>${title}</h1>
!${content}
</main>
<p id="live" class="live" role="status"></p>
</body>
</html>`
}

function navigation(section: Section | null, { key, mayOperate }: Operator, csrf: string): Html {
  const offered = Object.entries(SECTIONS).filter(([name]) => mayOperate || name !== 'revoke')
  const links = offered.map(
    ([key, { path, name }]) =>
      html`<li><a href="${PREFIX}${path}" !${key === section ? 'aria-current="page"' : ''}>${name}</a></li>`,
  )
  return html`<nav aria-label="Sections"><ul>!${links.join('')}</ul></nav>
<span class="key">${key.name}: ${mayOperate ? key.roles.join(', ') : 'read-only'}</span>
<form method="post" action="${PREFIX}/sign-out">!${csrfField(csrf)}<button>Sign out</button></form>`
}

function expiryNotice(at: string): Html {
  return html`<p class="notice">This API key expires at !${time(at)}. Sign in with another one before.</p>`
}

export function csrfField(csrf: string): Html {
  return html`<input type="hidden" name="_csrf" value="${csrf}">`
}

/** A time: the script shows it in the reader's time zone, with the exact one as title. */
export function time(at: string | null, otherwise = '–'): Html {
  if (at === null) return html`${otherwise}`
  return html`<time datetime="${at}" title="${at}">${at.slice(0, 19).replace('T', ' ')} UTC</time>`
}

/** The time of day; see `time`. */
export function shortTime(at: string | null): Html {
  if (at === null) return '–'
  return html`<time datetime="${at}" title="${at}" data-short>${at.slice(11, 16)} UTC</time>`
}

/** A link to the next page of a list; nothing on the last one. @param path below `/dashboard` */
export function older(
  path: string,
  filters: Readonly<Record<string, string | undefined>>,
  nextCursor: string | null,
): Html {
  if (nextCursor === null) return ''
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries({ ...filters, cursor: nextCursor }))
    if (value) query.set(name, value)
  return html`<p><a rel="next" href="${PREFIX}${path}?${query}">Older</a></p>`
}

export interface Column<Row> {
  name: string
  isNumber?: boolean
  cell: (row: Row) => Html
}

/** A table with a caption; `empty` in its place if there are no rows, or nothing if it is empty, too. */
export function table<Row>(
  caption: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  empty: Html,
): Html {
  if (rows.length === 0) return empty && html`<p class="empty">!${empty}</p>`
  const classOf = ({ isNumber }: Column<Row>) => (isNumber ? ' class="number"' : '')
  const head = columns.map((column) => html`<th scope="col"!${classOf(column)}>${column.name}</th>`)
  const body = rows.map(
    (row) =>
      html`<tr>!${columns.map((column) => html`<td!${classOf(column)}>!${column.cell(row)}</td>`).join('')}</tr>`,
  )
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table><caption>${caption}</caption>
<thead><tr>!${head.join('')}</tr></thead><tbody>!${body.join('')}</tbody></table></div>`
}

/** Names with their values. */
export function definitions(rows: readonly (readonly [string, Html])[]): Html {
  return html`<dl>!${rows.map(([name, value]) => html`<dt>${name}</dt><dd>!${value}</dd>`).join('')}</dl>`
}

/** Text in a cell. */
export const text = (value: string | number | null | undefined): Html =>
  html`${typeof value === 'number' ? numberText(value) : (value ?? '–')}`

export interface Problem {
  title: string
  detail?: string | undefined
  action?: string | undefined
  errors?: readonly { member: string; expected: string }[] | undefined
}

/** @param role empty for a fact of a live page, which is not announced again and again */
export function problemBox(
  { title, detail, action, errors = [] }: Problem,
  role: 'alert' | '' = 'alert',
): Html {
  const members = errors.map(({ member, expected }) => html`<li><code>${member}</code>: ${expected}</li>`)
  return html`<div class="problem"!${role && html` role="${role}"`}><strong>${title}</strong>!${detail ? html`<p>${detail}</p>` : ''}!${action ? html`<p>${action}</p>` : ''}!${members.length > 0 ? html`<ul>!${members.join('')}</ul>` : ''}</div>`
}
