import { html } from 'ghtml'
import type { ApiError } from './api.ts'
import { csrfField, type Html, PREFIX, problemBox } from './layout.ts'
import type { PageAnswer } from './page.ts'

/** How far an action that takes several requests has got. */
export interface Progress {
  /** Of the action. */
  name: string
  done: number
  total: number
  /** The same in words. */
  text: string
  /** The path below `/dashboard`, and the fields, of the form that continues. */
  path: string
  fields: Html
  /** What leaving the page means, and where to look. */
  rest: Html
  /** Why it has stopped; null if it has not. */
  problem: ApiError | null
}

/** A page with a form that continues an action: by itself, unless it has stopped. */
export function progressPage(
  { name, done, total, text, path, fields, rest, problem }: Progress,
  csrf: string,
): PageAnswer {
  const content = html`!${problem ? problemBox(problem.problem) : ''}<p role="status">${text}</p>
<p><progress aria-label="Progress" max="${total}" value="${done}"></progress></p>
<form method="post" action="${PREFIX}${path}"!${problem ? '' : ' data-continues'}>!${csrfField(csrf)}!${fields}<button>Continue</button></form>
<p>!${rest}</p>`
  return {
    ...{ title: `${name}: ${problem ? 'stopped' : 'in progress'}`, content },
    ...(problem ? { status: problem.status } : {}),
  }
}
