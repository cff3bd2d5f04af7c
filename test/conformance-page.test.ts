import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROOT, read } from './support/deployment.ts'

t.test('every test that docs/conformance.md names is there', async (t) => {
  const rows = [...read('docs/conformance.md').matchAll(/^\| .* \| `(test\/[^`]+)` \| (.+) \|$/gm)]
  t.ok(rows.length > 15)
  for (const [, path, name] of rows) {
    if (!t.ok(existsSync(join(ROOT, String(path))), String(path))) continue
    // As a whole text in quotes, or the beginning of a template.
    const text = read(String(path))
    t.ok(
      ["'", '"', '`'].some((quote) => text.includes(`${quote}${name}`)),
      `${path}: ${name}`,
    )
  }
})

t.test('every page of a source is linked, and links lead somewhere', async (t) => {
  for (const page of [
    'docs/sources/README.md',
    'docs/sources/oidc-back-channel-logout.md',
    'docs/sources/global-token-revocation.md',
    'docs/sources/okta-universal-logout.md',
    'docs/sources/shared-signals.md',
    'docs/conformance.md',
  ]) {
    for (const [, link] of read(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g))
      t.ok(existsSync(join(ROOT, page, '..', String(link))), `${page}: ${link}`)
  }
})
