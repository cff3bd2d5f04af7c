import { type Component, readProductionRefs, readSbom } from './sbom.ts'

// `npm run licences`: fails if a dependency has no licence, or one that is not listed here.

/** Permissive licences that require only a notice. */
const ALLOWED = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT']

/** For packages that develop and test Curfew; no deployment contains them. */
const ALLOWED_IN_DEVELOPMENT = [
  ...ALLOWED,
  'CC-BY-3.0', // Data that requires attribution: the list of exceptions in spdx-exceptions.
  'CC0-1.0', // Public domain, but grants no patent rights.
  'MPL-2.0', // Copyleft for its own files only: axe-core, which the tests run unchanged.
  'Python-2.0', // Permissive, with a chain of notices: argparse is a port of Python's.
  'Unlicense', // Public domain; not every jurisdiction recognizes that.
  'Zlib', // Permissive: pako is a port of zlib.
]

/** Packages whose licence was reviewed manually. A new version needs a new review. */
export const REVIEWED: Record<string, string> = {
  'jsonc-simple-parser@3.0.0': 'MIT, according to its licence file; its package.json states none.',
}

/** One line for each component whose licence is missing or not allowed. */
export function violations(components: readonly Component[], production: ReadonlySet<string>): string[] {
  return components.flatMap(({ 'bom-ref': ref, licenses = [] }) => {
    const isProduction = production.has(ref)
    const allowed = isProduction ? ALLOWED : ALLOWED_IN_DEVELOPMENT
    const names = licenses.map((licence) => ('license' in licence ? licence.license.id : licence.expression))
    if (ref in REVIEWED || (names.length > 0 && names.every((name) => isAllowed(name, allowed)))) return []
    const problem = names.length > 0 ? `${names.join(', ')} is not allowed` : 'no SPDX licence'
    return [`${ref} (${isProduction ? 'production' : 'development'}): ${problem}`]
  })
}

/** In SPDX, AND binds more tightly than OR. Expressions with inner parentheses are rejected: review those packages. */
function isAllowed(expression: string, allowed: readonly string[]): boolean {
  const terms = expression.replace(/^\((.*)\)$/, '$1')
  if (/[()]/.test(terms)) return false
  return terms.split(' OR ').some((term) => term.split(' AND ').every((id) => allowed.includes(id)))
}

if (import.meta.main) {
  const { components } = readSbom()
  const production = readProductionRefs()
  const found = violations(components, production)
  for (const line of found) console.error(line)
  console.log(`${components.length} packages (${production.size} in production), ${found.length} violations`)
  if (found.length > 0) process.exitCode = 1
}
