import { execFile, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { VENDORS } from '../../../src/sandbox/identity-provider/vendors.ts'
import { PRESET_KINDS, PRESETS } from '../../../src/sources/webhook/presets.ts'
import { mistakesIn } from '../../support/config-file.ts'
import { startWithSources } from '../../support/source-service.ts'

const PAGES = join(import.meta.dirname, '../../../docs/sources')
const run = promisify(execFile)

interface Page {
  text: string
  /** The entries on the page. */
  entries: { name: string; kind: string; secret?: string }[]
  recipe: string
}

function pageOf(kind: string): Page {
  const text = readFileSync(join(PAGES, `${kind === 'generic' ? 'webhooks' : kind}.md`), 'utf8')
  const blocks = (language: string) =>
    [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, code]) =>
      String(code),
    )
  return { text, entries: blocks('json').map((json) => JSON.parse(json)), recipe: blocks('bash')[0] ?? '' }
}

/** The environment with the variable of an entry's secret. */
function variablesOf({ kind, secret }: Page['entries'][number]): Record<string, string> {
  const name = /^\$\{(\w+)\}$/.exec(secret ?? '')?.[1]
  const vendor = VENDORS.find((one) => one.kind === kind)
  return name && vendor ? { [name]: vendor.secret } : {}
}

t.test('each kind has a page with valid entries', async (t) => {
  for (const { kind } of VENDORS) {
    const { entries } = pageOf(kind)
    t.ok(entries.length > 0, kind)
    for (const entry of entries) {
      t.equal(entry.kind, kind)
      // Published secrets, as those of the pages and samples, are rejected with an https tenant only.
      const variables = { ...variablesOf(entry), QLIK_TENANT_URL: 'http://127.0.0.1:4848' }
      t.same(await mistakesIn(t, { sources: [entry] }, variables), [])
    }
  }
})

t.test('each page lists exactly the events that end sessions', async (t) => {
  for (const kind of PRESET_KINDS) {
    const rows = [...pageOf(kind).text.matchAll(/^\| `([^`]+)` \| (logout|session-expired|security) \|$/gm)]
    t.same(Object.fromEntries(rows.map(([, type, reason]) => [type, reason])), PRESETS[kind].events, kind)
  }
})

t.test('the links of each page resolve', async (t) => {
  for (const { kind } of VENDORS) {
    for (const [, path] of pageOf(kind).text.matchAll(/\]\((?!https?:)([^)#]+)/g))
      t.ok(existsSync(join(PAGES, String(path))), `${kind} → ${path}`)
  }
})

const lacking = ['curl', 'openssl'].filter((name) => spawnSync(name, ['--version']).error)
const skip = lacking.length > 0 && `there is no ${lacking.join(' and no ')} on this machine`

t.test('the commands on each page work', { skip }, async (t) => {
  const pages = VENDORS.map((vendor) => ({ vendor, page: pageOf(vendor.kind) }))
  const sources = pages.flatMap(({ page }) => page.entries.slice(0, 1))
  const variables = Object.assign({}, ...sources.map(variablesOf))
  const service = await startWithSources(t, sources, { environment: variables })
  for (const [index, { vendor, page }] of pages.entries()) {
    const command = page.recipe.replace('http://localhost:3000', service.url)
    const { stdout } = await run('bash', ['-c', command], { env: { ...process.env, ...variables } })
    t.match(stdout, new RegExp(`^HTTP/1.1 ${vendor.answer} `), vendor.kind)
    t.match(page.text, `The answer is ${vendor.answer}, and`)
    t.equal((await service.stored()).length, index + 1, `${vendor.kind}: it has made a revocation`)
  }
})
