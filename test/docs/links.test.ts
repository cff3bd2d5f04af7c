import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import t from 'tap'
import { ROOT } from '../support/deployment.ts'

const PAGES = globSync('**/*.md', { cwd: ROOT, exclude: ['node_modules/**', '**/node_modules/**'] })

/** A page without its code, where brackets mean something else. */
function proseOf(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8').replaceAll(/^( *)```[\s\S]*?^\1```/gm, '')
}

/** The anchors of a page: those that GitHub derives from its headings, and explicit ones. */
function anchorsOf(page: string): Set<string> {
  const anchors = new Set([...proseOf(page).matchAll(/<a id="([^"]+)">/g)].map(([, id]) => String(id)))
  for (const [, heading = ''] of proseOf(page).matchAll(/^#{1,6} (.+)$/gm)) {
    const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const anchor = text.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')
    let unique = anchor
    for (let n = 1; anchors.has(unique); n += 1) unique = `${anchor}-${n}`
    anchors.add(unique)
  }
  return anchors
}

t.test('every relative link in the documentation leads to a file and an anchor that exist', async (t) => {
  t.ok(PAGES.length > 40)
  for (const page of PAGES) {
    for (const [, target = ''] of proseOf(page).matchAll(/\]\((?![a-z]+:)([^)\s]+)\)/g)) {
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? page : relative(ROOT, join(ROOT, page, '..', path))
      if (!t.ok(existsSync(join(ROOT, file)), `${page} → ${target}`) || anchor === undefined) continue
      t.ok(statSync(join(ROOT, file)).isFile() && anchorsOf(file).has(anchor), `${page} → ${target}`)
    }
  }
})

t.test('every page that code, configuration or manifests name exists', async (t) => {
  const files = globSync(
    ['{src,test,bench,deploy,examples}/**/*.{ts,js,py,yaml,cfg,sql}', '.env.example', '*.yml'],
    {
      cwd: ROOT,
    },
  )
  t.ok(files.length > 200)
  for (const file of files) {
    const text = readFileSync(join(ROOT, file), 'utf8')
    for (const [page] of text.matchAll(/\bdocs\/[\w/-]+\.md\b/g))
      t.ok(existsSync(join(ROOT, page)), `${file} → ${page}`)
  }
})
