import { html } from 'ghtml'
import { type Html, PREFIX } from './layout.ts'

/** A field of a form that filters a list. */
export interface Field {
  name: string
  label: string
  /** The only values, if there are few. */
  choices?: readonly string[]
  /** Values that are suggested. */
  suggestions?: readonly string[] | undefined
  hint?: string
  /** Shown only on demand, unless it has a value. */
  isRare?: boolean
}

/** A form that reloads the page with filters. Works without JavaScript. @param path below `/dashboard` */
export function filterForm(
  path: string,
  fields: readonly Field[],
  values: Readonly<Record<string, string | undefined>>,
): Html {
  const of = (some: readonly Field[]) => some.map((one) => field(one, values[one.name] ?? '')).join('')
  const rare = fields.filter(({ isRare }) => isRare)
  const isOpen = rare.some(({ name }) => values[name])
  return html`<form class="filters" method="get" action="${PREFIX}${path}" role="search">
<div class="fields">!${of(fields.filter(({ isRare }) => !isRare))}</div>
<details id="more-filters"!${isOpen ? ' open' : ''}><summary>More filters</summary><div class="fields">!${of(rare)}</div></details>
<div class="buttons"><button class="primary">Search</button><a href="${PREFIX}${path}">Clear all</a></div></form>`
}

function field({ name, label, choices, suggestions, hint }: Field, value: string): Html {
  const input = choices ? select(name, choices, value) : textInput({ name, hint, suggestions, value })
  return html`<div><label for="${name}">${label}</label>!${input}</div>`
}

function select(name: string, choices: readonly string[], value: string): Html {
  const options = ['', ...choices].map(
    (one) =>
      html`<option value="${one}"!${one === value ? ' selected' : ''}>${one === '' ? 'any' : one}</option>`,
  )
  return html`<select id="${name}" name="${name}">!${options.join('')}</select>`
}

function textInput({
  name,
  value,
  hint = '',
  suggestions = [],
}: Pick<Field, 'name' | 'suggestions'> & { value: string; hint?: string | undefined }): Html {
  const list = suggestions.map((one) => html`<option value="${one}"></option>`).join('')
  const suggested = list === '' ? '' : html`<datalist id="${name}-values">!${list}</datalist>`
  return html`<input id="${name}" name="${name}" value="${value}" maxlength="512" autocomplete="off" placeholder="${hint}"!${list === '' ? '' : html` list="${name}-values"`}>!${suggested}`
}

/** Values for filters, as `GET /suggestions` returns them. */
export interface Suggestions {
  tenant: string[]
  source: string[]
  key: string[]
  code: string[]
  event: string[]
}

/** An example of a time, as the API expects it. */
export const TIME_HINT = '2026-11-28T12:00:00Z'
