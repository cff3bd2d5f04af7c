import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parts } from '../../src/parts.ts'
import { configurationFile, mistakesIn } from '../support/config-file.ts'
import { ROOT, read } from '../support/deployment.ts'
import { startWithSources } from '../support/source-service.ts'

const run = promisify(execFile)
const PAGES = {
  'oidc-back-channel-logout': /^HTTP\/1.1 400 [\s\S]*"error":"invalid_request"[\s\S]*not a signed JWT/,
  'global-token-revocation': /^HTTP\/1.1 401 [\s\S]*"error":"invalid_token"/,
  'shared-signals': /^HTTP\/1.1 400 [\s\S]*"err":"invalid_request"/,
}
/** Pages of vendors that use one of these kinds. */
const VENDORS = ['okta-universal-logout', 'lemonldap-ng', 'glewlwyd', 'ory-hydra', 'google']

/** The blocks of a page in this language; those in a list are indented. */
function blocks(page: string, language: string): string[] {
  const text = read(`docs/sources/${page}.md`)
  const fenced = new RegExp(`^ *\`\`\`${language}\\n([\\s\\S]*?)^ *\`\`\``, 'gm')
  return [...text.matchAll(fenced)].map(([, code]) => String(code))
}
const entriesOf = (page: string) => blocks(page, 'json').map((text) => JSON.parse(text))

t.test('every kind has a row in the list of kinds, with its path and an existing page', async (t) => {
  const rows = [
    ...read('docs/sources/README.md').matchAll(/^\| `([a-z0-9-]+)` \| `POST ([^`]+)`.*\| (\[.*) \|$/gm),
  ]
  const kinds = parts.sources.flatMap<string>((part) => part.kinds)
  t.same(rows.map(([, kind]) => kind).sort(), kinds.sort())
  for (const [, kind, , links] of rows) {
    for (const [, page] of String(links).matchAll(/\]\(([^)]+)\)/g))
      t.ok(existsSync(join(ROOT, 'docs/sources', String(page))), `${kind}: ${page}`)
  }
})

t.test('the entries on the pages of token kinds are valid', async (t) => {
  for (const page of [...Object.keys(PAGES), ...VENDORS]) {
    const entries = entriesOf(page)
    t.ok(entries.length > 0, page)
    for (const entry of entries) {
      const file = configurationFile(t, { sources: [entry] })
      for (const secret of ['token', 'client']) file.beside(`secrets/idp-ssf-${secret}`, secret)
      t.same(await mistakesIn(t, {}, { CONFIG_FILE: file.path }), [], page)
    }
  }
})

const skip = spawnSync('curl', ['--version']).error !== undefined && 'there is no curl on this machine'

t.test('the commands on the pages of token kinds work', { skip }, async (t) => {
  const service = await startWithSources(t, [])
  for (const [kind, expected] of Object.entries(PAGES)) {
    const [entry] = entriesOf(kind)
    t.match(entry, { kind })
    // No server listens at the address on the page.
    const { transmitter: _, ...pushed } = entry
    t.equal((await service.configure([pushed])).status, 200, kind)
    const command = String(blocks(kind, 'bash')[0]).replace('https://curfew.example', service.url)
    const { stdout } = await run('bash', ['-c', command])
    t.match(stdout, expected, kind)
  }
})
