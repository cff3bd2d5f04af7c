import { html } from 'ghtml'
import { z } from 'zod'
import type { ChangedRevocations } from '../client/types.ts'
import {
  CountsField,
  count,
  hiddenFields,
  refusedTable,
  Selection,
  selectionFields,
  shownNumber,
  sumOf,
  toCountsField,
  WORDS,
} from './actions.ts'
import { type Api, ApiError } from './api.ts'
import { checked } from './checked.ts'
import { toField } from './filters.ts'
import { csrfField, type Html, PREFIX, problemBox } from './layout.ts'
import type { Page, PageAnswer } from './page.ts'
import { progressPage } from './progress.ts'

/** Refusals that `force` overrides. */
const FORCIBLE = ['CURFEW_SEVERAL_SENDERS', 'CURFEW_OLDER_THAN_BATCH']

/** Shows what an action would do, by a dry run, and asks. */
export const confirmPage: Page = {
  method: 'POST',
  path: '/revocations/confirm',
  section: 'revocations',
  handle: async ({ api, form, csrf }) => {
    const selection = selectionIn(form)
    const answer = await call(api, selection, { dryRun: 'true' })
    return { title: titleOf(selection, answer), content: confirmation(selection, answer, csrf) }
  },
}

/** What was done so far, of an action that takes several requests. It is only shown. */
const Progress = z.object({
  force: z.literal('true').optional(),
  cursor: z.string().max(64).optional(),
  total: shownNumber,
  done: shownNumber,
  joined: shownNumber,
  refused: CountsField,
})
type Progress = z.output<typeof Progress>

/** Does a part of it: what one request of the API does. Shows the result, or a form that continues. */
export const changePage: Page = {
  method: 'POST',
  path: '/revocations/change',
  section: 'revocations',
  handle: async ({ api, form, csrf }) => {
    const selection = selectionIn(form)
    const before = checked(Progress, form)
    const { force, cursor } = before
    try {
      const answer = await call(api, selection, { force, cursor })
      const after = {
        ...before,
        done: before.done + changedIn(answer),
        joined: before.joined + (answer.joined ?? 0),
        refused: sum(before.refused, answer.refused),
      }
      const title = `${count(after.done, 'revocation')} ${WORDS[selection.action].done}`
      if (answer.nextCursor === null) return { title, content: result(selection, after) }
      return continuation(selection, { ...after, cursor: answer.nextCursor }, null, csrf)
    } catch (error) {
      // What was done before must not be lost from view.
      if (!(error instanceof ApiError) || cursor === undefined) throw error
      return continuation(selection, before, error, csrf)
    }
  },
}

/** @throws ApiError if the form is not valid, or selects nothing */
function selectionIn(form: unknown): Selection {
  const selection = checked(Selection, form)
  if (selection.of === 'selected' && selection.ids.length === 0)
    throw new ApiError(400, {
      code: 'CURFEW_REQUEST_INVALID',
      title: 'No revocation is selected',
      action: 'Go back, and select revocations, or choose all that match.',
    })
  return selection
}

function call(
  api: Api,
  { action, of, ids, matching }: Selection,
  query: Record<string, string | undefined>,
): Promise<ChangedRevocations> {
  const body = { matching: of === 'selected' ? { ids } : matching }
  return api.post<ChangedRevocations>(`/revocations/${action}`, { body, query })
}

function changedIn({ retried, cancelled, released }: ChangedRevocations): number {
  return retried ?? cancelled ?? released ?? 0
}

function sum(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>) {
  const codes = new Set([...Object.keys(one), ...Object.keys(other)])
  return Object.fromEntries([...codes].map((code) => [code, (one[code] ?? 0) + (other[code] ?? 0)]))
}

function titleOf({ action }: Selection, answer: ChangedRevocations): string {
  const more = answer.nextCursor === null ? '' : 'more than '
  return `${WORDS[action].name} ${more}${count(changedIn(answer), 'revocation')}?`
}

function confirmation(selection: Selection, answer: ChangedRevocations, csrf: string): Html {
  const { action, of, ids, matching } = selection
  const { name, done, effect } = WORDS[action]
  const changed = changedIn(answer)
  const refused = sumOf(answer.refused)
  const others = of === 'selected' ? ids.length - changed - refused : 0
  const forcible = FORCIBLE.reduce((all, code) => all + (answer.refused[code] ?? 0), 0)
  const states = Object.entries(answer.byStatus).map(([status, one]) => html`<li>${one} ${status}</li>`)
  const atLeast = answer.nextCursor === null ? '' : 'at least '
  const force = html`<p><label><input type="checkbox" name="force" value="true"> Also cancel ${atLeast}${forcible} that other senders requested, or that were requested before the batch</label></p>`
  const counted: Selection = {
    ...selection,
    matching: { ...matching, until: earlier(matching.until, answer.at) },
  }
  const isPossible = changed > 0 || forcible > 0 || answer.nextCursor !== null
  return html`
!${states.length > 0 ? html`<p>Found in these states:</p><ul>!${states.join('')}</ul>` : ''}
!${others > 0 ? html`<p>${others} of the selected ones cannot be ${done} in their state, and are left as they are.</p>` : ''}
!${refusedTable(answer.refused, `Cannot be ${done}`)}
!${answer.nextCursor === null ? '' : html`<p>There are more than were counted. All that match are ${done}.</p>`}
!${
    isPossible
      ? html`<p>${effect}${of === 'matching' ? ' What arrives from now on is left as it is.' : ''}</p>
<form method="post" action="${PREFIX}/revocations/change">!${csrfField(csrf)}!${selectionFields(counted)}!${hiddenFields([['total', String(changed)]])}
!${action === 'cancel' && forcible > 0 ? force : ''}<button class="primary">${name}</button> <a href="!${backTo(selection)}">Back</a></form>`
      : html`<p>Nothing can be ${done}.</p><p><a href="!${backTo(selection)}">Back</a></p>`
  }`
}

/** What arrives while the operator decides was not counted: `at` is the time of the dry run, by the clock of the API. */
function earlier(until: string | undefined, at: string): string {
  return until !== undefined && Date.parse(until) < Date.parse(at) ? until : at
}

function backTo({ of, ids, matching }: Selection): Html {
  const [only, ...others] = of === 'selected' ? ids : []
  if (only !== undefined && others.length === 0) return html`${PREFIX}/revocations/${only}`
  return html`${PREFIX}/revocations?${of === 'matching' ? toField(matching) : ''}`
}

function continuation(
  selection: Selection,
  progress: Progress,
  problem: ApiError | null,
  csrf: string,
): PageAnswer {
  const { force, cursor, total, done, joined, refused } = progress
  const fields = { cursor, force, total, done, joined, refused: toCountsField(refused) }
  const given = Object.entries(fields).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  )
  const { name, done: word } = WORDS[selection.action]
  const max = Math.max(total, done, 1)
  return progressPage(
    {
      ...{ name, done, total: max, problem },
      ...{
        text: `${count(done, 'revocation')} ${word} so far, of about ${max}.`,
        path: '/revocations/change',
      },
      fields: html`!${selectionFields(selection)}!${hiddenFields(given)}`,
      rest: 'If you leave this page, the rest is left as it is.',
    },
    csrf,
  )
}

function result(selection: Selection, { done, joined, refused }: Omit<Progress, 'force' | 'cursor'>): Html {
  const { done: word } = WORDS[selection.action]
  const nothing = problemBox({
    title: `Nothing was ${word}`,
    detail: 'They have changed in the meantime, or were changed by an earlier request.',
  })
  return html`!${done === 0 ? nothing : html`<p role="status" class="good">${count(done, 'revocation')} ${word}${joined > 0 ? `, ${joined} of them joined a queued one` : ''}.</p>`}
!${refusedTable(refused, `Not ${word}`)}
<p><a href="!${backTo(selection)}">Back</a></p>`
}
