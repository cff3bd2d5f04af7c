import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROOT, read } from './support/deployment.ts'

t.test('every test that docs/conformance.md names exists', async (t) => {
  const rows = [...read('docs/conformance.md').matchAll(/^\| .* \| `((?:test|src)\/[^`]+)` \| (.+) \|$/gm)]
  t.ok(rows.length > 15)
  for (const [, path, name] of rows) {
    if (!t.ok(existsSync(join(ROOT, String(path))), String(path))) continue
    // A whole string in quotes, or the beginning of a template.
    const text = read(String(path))
    t.ok(
      ["'", '"', '`'].some((quote) => text.includes(`${quote}${name}`)),
      `${path}: ${name}`,
    )
  }
})

/** The modules in the plans of the OpenID conformance suite (https://gitlab.com/openid/conformance-suite). */
const MODULES = {
  'oidcc-client-test-rp-backchannel-rpinitlogout': [
    '',
    '-alg-none',
    '-no-event',
    '-with-nonce',
    '-wrong-alg',
    '-wrong-aud',
    '-wrong-event',
    '-wrong-iss',
  ],
  'openid-ssf-receiver': [
    '-happypath',
    '-stream-create-delete',
    '-stream-status-update',
    '-stream-verification',
    '-unsolicited-stream-verification',
    '-stream-supported-events',
    '-invalid-set-rejection',
    '-verification-wrong-state',
    '-verification-wrong-subject',
    '-stream-issuer-mismatch',
    '-transmitter-initiated-status-change',
    '-verification-behind-queued-events',
    '-redelivered-set',
    '-removed-subject-event',
    '-access-token-expiry',
    '-stream-caep-interop',
  ],
}

t.test('the page has a row for each module of the plans, and no others', async (t) => {
  const rows = [...read('docs/conformance.md').matchAll(/^\| `([a-z-]+)` \| /gm)].map(([, name]) => name)
  const modules = Object.entries(MODULES).flatMap(([prefix, names]) => names.map((name) => prefix + name))
  t.same([...new Set(rows)].sort(), modules.sort())
})

t.test('links in the pages of sources resolve', async (t) => {
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
