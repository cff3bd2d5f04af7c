import { readFileSync } from 'node:fs'
import t from 'tap'
import { DEFECTS } from './defects.ts'

t.test('each defect replaces one place of the source', async (t) => {
  for (const { name, file, now } of DEFECTS) {
    const source = readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8')
    t.equal(source.split(now).length, 2, name)
  }
})
