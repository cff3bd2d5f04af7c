import { html } from 'ghtml'
import { z } from 'zod'
import { ERRORS, isErrorCode } from '../base/errors.ts'
import type { Revocation } from '../client/types.ts'
import { type Filters, FiltersField, toField } from './filters.ts'
import { csrfField, type Html, PREFIX, table, text } from './layout.ts'
import { PAGE_SIZE } from './page.ts'

/** What an operator does with revocations. */
export const ACTIONS = ['retry', 'cancel', 'release'] as const
export type Action = (typeof ACTIONS)[number]

export const WORDS = {
  retry: { name: 'Retry', done: 'retried', effect: 'Curfew tries again now.' },
  cancel: {
    name: 'Cancel',
    done: 'cancelled',
    effect: 'They end before they revoke anything more. Tokens that are not revoked yet are kept.',
  },
  release: {
    name: 'Release',
    done: 'released',
    effect: 'They are queued, and the tokens of these users are revoked.',
  },
} as const satisfies Record<Action, { name: string; done: string; effect: string }>

/** The fields of a form that chooses an action and revocations. */
export const Selection = z.object({
  action: z.enum(ACTIONS),
  of: z.enum(['selected', 'matching']),
  /** One check box sends a text, several a list. */
  ids: z
    .union([z.string().transform((id) => [id]), z.array(z.string())])
    .pipe(z.array(z.uuid('expected the id of a revocation')).max(PAGE_SIZE))
    .default([]),
  matching: FiltersField.default({}),
})
export type Selection = z.output<typeof Selection>

/** The hidden fields of a form about a selection. */
export function selectionFields({ action, of, ids, matching }: Selection): Html {
  const fields: [string, string][] =
    of === 'selected' ? ids.map((id) => ['ids', id]) : [['matching', toField(matching)]]
  return hiddenFields([['action', action], ['of', of], ...fields])
}

export function hiddenFields(fields: readonly (readonly [string, string])[]): Html {
  return fields.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`).join('')
}

/** A form that offers actions with what a search finds. */
export function matchingForm(matching: Filters, actions: readonly Action[], csrf: string): Html {
  const fields = hiddenFields([
    ['of', 'matching'],
    ['matching', toField(matching)],
  ])
  return actionForm(fields, actions, csrf)
}

/** A form that offers the actions that the state of a revocation allows. */
export function formOf(revocation: Revocation, csrf: string): Html {
  const fields = hiddenFields([
    ['of', 'selected'],
    ['ids', revocation.id],
  ])
  return actionForm(fields, actionsFor(revocation), csrf)
}

function actionForm(fields: Html, actions: readonly Action[], csrf: string): Html {
  if (actions.length === 0) return ''
  return html`<form class="actions" method="post" action="${PREFIX}/revocations/confirm">!${csrfField(csrf)}!${fields}!${buttons(actions)}</form>`
}

export function buttons(actions: readonly Action[]): Html {
  return actions
    .map((action) => html`<button name="action" value="${action}">${WORDS[action].name}…</button>`)
    .join('')
}

function actionsFor({ status, verified, verificationDueAt, nextAttemptAt }: Revocation): Action[] {
  const isUnverified = status === 'completed' && !verified && verificationDueAt === null
  const isWaiting = status === 'queued' && nextAttemptAt !== null
  return [
    ...(status === 'failed' || isUnverified || isWaiting ? (['retry'] as const) : []),
    ...(['queued', 'running', 'held'].includes(status) ? (['cancel'] as const) : []),
    ...(status === 'held' ? (['release'] as const) : []),
  ]
}

/** A number in a field that is only shown. */
export const shownNumber = z.coerce.number().int().min(0).catch(0)

/** Numbers by error code, in one field of a form, which are only shown. See `toCountsField`. */
export const CountsField = z
  .string()
  .max(2_048)
  .default('')
  .transform((text) =>
    Object.fromEntries(
      [...new URLSearchParams(text)].map(([code, value]) => [code, shownNumber.parse(value)]),
    ),
  )

export function toCountsField(counts: Readonly<Record<string, number>>): string {
  const pairs = Object.entries(counts).map(([code, value]): [string, string] => [code, String(value)])
  return new URLSearchParams(pairs).toString()
}

/** `1 revocation`, `2 revocations`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

/** How many were refused, with any error. */
export function sumOf(refused: Readonly<Record<string, number>>): number {
  return Object.values(refused).reduce((all, one) => all + one, 0)
}

/** What was refused, by error code, with what to do; empty if nothing was. */
export function refusedTable(refused: Readonly<Record<string, number>>, caption: string): Html {
  const rows = Object.entries(refused)
  return table(
    caption,
    [
      { name: 'Error', cell: ([code]) => html`<code>${code}</code>` },
      { name: 'Number', isNumber: true, cell: ([, number]) => text(number) },
      { name: 'Meaning', cell: ([code]) => text(isErrorCode(code) ? ERRORS[code].title : null) },
      { name: 'What to do', cell: ([code]) => text(isErrorCode(code) ? ERRORS[code].action : null) },
    ],
    rows,
    '',
  )
}
