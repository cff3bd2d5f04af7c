import t from 'tap'
import { read } from '../support/deployment.ts'

const PAGE = read('docs/decisions/README.md')
const PACKAGE = JSON.parse(read('package.json'))

/** The packages of the table that begins with this cell. */
function packagesOf(heading: string): string[] {
  const [table = ''] = (PAGE.split(`| ${heading} |`)[1] ?? '').split('\n\n')
  const cells = [...table.matchAll(/^\| (`.*?) \|/gm)].map(([, cell]) => String(cell))
  return cells.flatMap((cell) => [...cell.matchAll(/`(.*?)`/g)].map(([, name]) => String(name))).sort()
}

t.test('every dependency has a row, and no other package has one', async (t) => {
  t.same(packagesOf('In production'), Object.keys(PACKAGE.dependencies).sort())
  t.same(packagesOf('In development'), Object.keys(PACKAGE.devDependencies).sort())
})

t.test('a version that a row says is pinned is the one in package.json', async (t) => {
  for (const [, name, version] of PAGE.matchAll(/^\| `(\S+)` .*[Pp]inned at ([\d.]+\d)/gm))
    t.equal(PACKAGE.dependencies[String(name)], version, String(name))
})
