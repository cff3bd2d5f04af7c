import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import packageJson from '../package.json' with { type: 'json' }

// `npm run sbom`: writes the CycloneDX SBOM of the production dependencies to sbom.cdx.json.

const ROOT = join(import.meta.dirname, '..')

/** A licence is an SPDX identifier or expression. npm leaves out a licence that is not valid SPDX. */
export interface Component {
  'bom-ref': string
  licenses?: ({ license: { id: string } } | { expression: string })[]
}
export interface Sbom {
  metadata: { component: { name: string } }
  components: Component[]
  dependencies: { ref: string; dependsOn: string[] }[]
}

/** The SBOM of all packages in package-lock.json. Needs neither the network nor installed packages. */
export function readSbom(): Sbom {
  const format = ['--sbom-format=cyclonedx', '--sbom-type=application']
  // NODE_ENV and .npmrc may omit some.
  const all = ['--include=dev', '--include=optional', '--include=peer']
  const args = ['sbom', ...format, ...all, '--package-lock-only', '--offline']
  const sbom: Sbom = JSON.parse(
    execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 26 }),
  )
  // npm takes the name from the folder.
  sbom.metadata.component.name = packageJson.name
  return notEmpty(sbom)
}

/** `name@version` of each package that `npm ci --omit=dev` installs, on any platform. */
export function readProductionRefs(): Set<string> {
  const lockfile: { packages: Record<string, { name?: string; version: string; dev?: true }> } = JSON.parse(
    readFileSync(join(ROOT, 'package-lock.json'), 'utf8'),
  )
  const production = Object.entries(lockfile.packages).filter(([path, { dev }]) => path !== '' && !dev)
  return new Set(
    production.map(([path, { name, version }]) => `${name ?? path.split('node_modules/').at(-1)}@${version}`),
  )
}

/**
 * The SBOM without the packages for development. `npm sbom --omit=dev` would also leave out each production dependency
 * that a development dependency requires too, for example pg and jose.
 */
export function restrictToProduction(sbom: Sbom, production: ReadonlySet<string>): Sbom {
  const refs = sbom.components.map((component) => component['bom-ref'])
  const omitted = new Set(refs.filter((ref) => !production.has(ref)))
  return notEmpty({
    ...sbom,
    components: sbom.components.filter((component) => production.has(component['bom-ref'])),
    dependencies: sbom.dependencies
      .filter(({ ref }) => !omitted.has(ref))
      .map((entry) => ({ ...entry, dependsOn: entry.dependsOn.filter((ref) => !omitted.has(ref)) })),
  })
}

function notEmpty(sbom: Sbom): Sbom {
  if (sbom.components.length === 0) throw new Error('the SBOM lists no package')
  return sbom
}

if (import.meta.main) {
  const sbom = restrictToProduction(readSbom(), readProductionRefs())
  writeFileSync(join(ROOT, 'sbom.cdx.json'), `${JSON.stringify(sbom, null, 2)}\n`)
  console.log(`sbom.cdx.json lists ${sbom.components.length} packages`)
}
