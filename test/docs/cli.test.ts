import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { completePage } from '../../scripts/cli-reference.ts'

const path = join(import.meta.dirname, '../../docs/reference/cli.md')

t.test('docs/reference/cli.md has the help of every command: npm run cli-reference', async (t) => {
  const page = readFileSync(path, 'utf8')
  t.equal(page, await completePage(page))
  t.match(page, '### curfew audit verify\n')
})
