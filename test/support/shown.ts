import { read } from './deployment.ts'

/** The first command of a section of a page, and the answer that the page shows. */
export function shownIn(page: string, heading: string): { command: string; answer: string } {
  const [, section = ''] = read(page).split(`\n## ${heading}\n`)
  const [, command = '', answer = ''] = /^```console\n\$ (.*)\n([\s\S]*?)^```/m.exec(section) ?? []
  if (command === '') throw new Error(`${page} shows no command below "${heading}".`)
  return { command, answer }
}

/** A UUID, or an id of Qlik. */
const ID = /[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|\b[\da-f]{24}\b/

/**
 * Matches answers of the same shape: ids, numbers, paths and the width of columns may differ, and a line `…` stands for
 * any lines.
 */
export function sameShape(answer: string): RegExp {
  const parts = answer
    .split(new RegExp(`(${ID.source}|/\\S+|\\d[\\d,.]*| {2,}|^…$\\n)`, 'm'))
    .map((part, index) =>
      index % 2 === 0 ? part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&') : patternFor(part),
    )
  return new RegExp(`^${parts.join('')}$`)
}

function patternFor(part: string): string {
  if (ID.test(part)) return `(?:${ID.source})`
  if (part.startsWith('…')) return '(?:.*\\n)*?'
  if (part.startsWith(' ')) return ' {2,}'
  return part.startsWith('/') ? '/\\S+' : '\\d[\\d,.]*'
}
