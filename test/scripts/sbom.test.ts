import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { readProductionRefs, readSbom, restrictToProduction } from '../../scripts/sbom.ts'

const component = (ref: string) => ({ 'bom-ref': ref })

t.test('packages for development leave the SBOM, with every reference to them', async (t) => {
  const metadata = { component: { name: 'curfew' } }
  const sbom = {
    metadata,
    components: [component('pg@1.0.0'), component('tap@1.0.0'), component('shared@1.0.0')],
    dependencies: [
      { ref: 'curfew@1.0.0', dependsOn: ['pg@1.0.0', 'tap@1.0.0'] },
      { ref: 'pg@1.0.0', dependsOn: ['shared@1.0.0'] },
      { ref: 'tap@1.0.0', dependsOn: ['shared@1.0.0'] },
      { ref: 'shared@1.0.0', dependsOn: [] },
    ],
  }
  t.same(restrictToProduction(sbom, new Set(['pg@1.0.0', 'shared@1.0.0'])), {
    metadata,
    components: [component('pg@1.0.0'), component('shared@1.0.0')],
    dependencies: [
      { ref: 'curfew@1.0.0', dependsOn: ['pg@1.0.0'] },
      { ref: 'pg@1.0.0', dependsOn: ['shared@1.0.0'] },
      { ref: 'shared@1.0.0', dependsOn: [] },
    ],
  })
  t.throws(() => restrictToProduction(sbom, new Set()), { message: 'the SBOM lists no package' })
})

t.test('the SBOM lists exactly what npm ci --omit=dev installs', async (t) => {
  const production = readProductionRefs()
  const sbom = restrictToProduction(readSbom(), production)
  const refs = sbom.components.map((one) => one['bom-ref'])
  t.same(refs.toSorted(), [...production].toSorted())
  for (const [name, version] of Object.entries(packageJson.dependencies)) {
    t.ok(refs.includes(`${name}@${version}`), name)
  }
  t.notOk(refs.some((ref) => ref.startsWith('tap@')))
  t.match(sbom, { bomFormat: 'CycloneDX', metadata: { component: { name: 'curfew', type: 'application' } } })
})

t.test('NODE_ENV=production does not shorten the SBOM', async (t) => {
  const before = process.env.NODE_ENV
  t.teardown(() => {
    if (before === undefined) delete process.env.NODE_ENV
    else process.env.NODE_ENV = before
  })
  process.env.NODE_ENV = 'production'
  t.ok(readSbom().components.some(({ 'bom-ref': ref }) => ref.startsWith('tap@')))
})
