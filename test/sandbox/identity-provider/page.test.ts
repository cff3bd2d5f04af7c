import { globSync } from 'node:fs'
import t from 'tap'
import { KINDS } from '../../../src/sandbox/identity-provider/order.ts'
import { SIGNAL_USAGE } from '../../../src/sandbox/signal-command.ts'
import { ROOT, read } from '../../support/deployment.ts'

const PAGE = read('docs/how-to/try-a-source.md')

t.test('each page of a source links to the guide', async (t) => {
  // Entra ID sends nothing that Curfew accepts.
  const pages = globSync('docs/sources/*.md', { cwd: ROOT }).filter((page) => !page.includes('entra'))
  t.ok(pages.length > 12)
  for (const page of pages) t.match(read(page), '](../how-to/try-a-source.md)', page)
})

t.test('the commands on the pages name existing kinds and options', async (t) => {
  const pages = globSync('docs/sources/*.md', { cwd: ROOT })
  const texts = [PAGE, ...pages.map(read)].join('\n')
  const commands = [...texts.matchAll(/`?(?:npm run sandbox -- )?send ([a-z0-9-]+)(( --[^`\n]*)?)/g)].filter(
    ([, kind]) => kind !== '--help',
  )
  t.ok(commands.length > 20)
  for (const [command, kind = '', options = ''] of commands.filter(([text]) => text.includes('`'))) {
    t.ok((KINDS as readonly string[]).includes(kind), command)
    for (const [option] of options.matchAll(/--[a-z]+/g)) t.match(SIGNAL_USAGE, `  ${option}`, command)
  }
})
