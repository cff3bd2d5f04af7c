import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

const SRC = join(import.meta.dirname, '../src')
const ARCHITECTURE = readFileSync(join(SRC, '../docs/architecture.md'), 'utf8').replaceAll(/\s+/g, ' ')

/** The imports of each file: our files by path in `src/`, packages as `pkg:NAME`. */
const imports = new Map(
  globSync('**/*.ts', { cwd: SRC }).map((file) => {
    const names = readFileSync(join(SRC, file), 'utf8').matchAll(/\b(?:from|import)\s*\(?\s*'([^']+)'/g)
    const toPath = (name: string) => (name.startsWith('.') ? join(dirname(file), name) : `pkg:${name}`)
    return [file, [...names].map(([, name = '']) => toPath(name))]
  }),
)

/** The rules of docs/architecture.md, each with the imports that break it, as `FILE IMPORTED`. */
const RULES: Record<string, RegExp> = {
  '`base` imports no other folder.': /^base\/\S+ (?!base\/|pkg:)/,
  '`revocation` imports only `base`.': /^revocation\/\S+ (?!revocation\/|base\/|pkg:)/,
  '`qlik` and `http` import only `base` and `revocation`.':
    /^(qlik|http)\/\S+ (?!\1\/|base\/|revocation\/|pkg:)/,
  '`stores` import only `base`, `revocation` and `qlik`.':
    /^stores\/\S+ (?!(stores|base|revocation|qlik)\/|pkg:)/,
  '`config` is imported only by `app`, `components`, `routes/reload` and `commands`.':
    /^(?!config\/|commands\/|(app|components|routes\/reload)\.ts)\S+ config\//,
  'A kind of source imports neither another kind nor the registry.':
    /^sources\/(?!common|token)([^/]+)\/\S+ sources\/(?!\1\/|common\/|token\/)/,
  'A kind of source is imported only by `parts`.':
    /^(?!parts\.ts|sources\/(?!common|token)[^/]+\/)\S+ sources\/(?!common\/|token\/)[^/]+\//,
  '`stores/postgres` and `stores/migrate` are imported only by `parts` and `commands`.':
    /^(?!parts\.ts|commands\/|stores\/(postgres|migrate)\/)\S+ stores\/(postgres|migrate)\//,
  '`dashboard` imports only `base`, `http` and the types of `client`: it reads everything through the API.':
    /^dashboard\/\S+ (?!(dashboard|base|http)\/|client\/types\.ts|pkg:)/,
  '`dashboard` is imported only by `parts`, and its type by `components`.':
    /^(?!(parts|components)\.ts|dashboard\/)\S+ dashboard\//,
  '`notifications` imports only `base`, `http` and `revocation`.':
    /^notifications\/\S+ (?!(notifications|base|http|revocation)\/|pkg:)/,
  '`notifications` is imported only by `parts`, and its types by `components`.':
    /^(?!(parts|components)\.ts|notifications\/)\S+ notifications\//,
  '`telemetry` imports only `base` and `revocation`.':
    /^telemetry\/\S+ (?!(telemetry|base|revocation)\/|pkg:)/,
  '`telemetry` is imported only by `parts`, and its types by `app`, `components` and `commands/serve`.':
    /^(?!(parts|app|components|commands\/serve)\.ts|telemetry\/)\S+ telemetry\//,
  'Only `telemetry` imports OpenTelemetry.': /^(?!telemetry\/)\S+ pkg:@(opentelemetry\/|fastify\/otel)/,
  'Only `app`, `components`, `http`, `routes`, `dashboard`, `telemetry`, `sandbox`, the files `route` and `refusal` of `sources`, and `part` and `routes` of `notifications` import fastify; `config` reads the environment with @fastify/env.':
    /^(?!(http|routes|dashboard|telemetry|sandbox)\/|(app|components|config\/read-environment|sources\/[^/]+\/(route|refusal)|notifications\/(part|routes))\.ts)\S+ pkg:@?fastify/,
  'Only `cli` and `commands` import `sandbox`.': /^(?!(sandbox|cli|commands)\/)\S+ sandbox\//,
  '`client` imports only modules of Node.': /^client\/\S+ (?!client\/|pkg:(node:|curfew\/client))/,
  '`cli` imports only `base`, `client`, and what it loads on demand: `commands` and `sandbox`.':
    /^cli\/\S+ (?!(cli|base|client|commands|sandbox)\/|pkg:)/,
}

for (const [rule, broken] of Object.entries(RULES)) {
  t.test(rule, async (t) => {
    const pairs = [...imports].flatMap(([file, names]) => names.map((name) => `${file} ${name}`))
    t.same(
      pairs.filter((pair) => broken.test(pair)),
      [],
    )
    t.ok(pairs.length > 500 && ARCHITECTURE.includes(rule), 'docs/architecture.md states it')
  })
}

t.test('`src` imports only itself: the image and the package contain nothing else.', async (t) => {
  const isOutside = (name: string) => name.startsWith('../')
  const outside = [...imports].flatMap(([file, names]) =>
    names.filter(isOutside).map((to) => `${file} ${to}`),
  )
  t.same(outside, [])
})

t.test('No two files import each other, not even through others.', async (t) => {
  const visited = new Set<string>()
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) t.fail([...path.slice(path.indexOf(file)), file].join(' → '))
    if (visited.has(file)) return
    visited.add(file)
    for (const name of imports.get(file) ?? []) visit(name, [...path, file])
  }
  for (const file of imports.keys()) visit(file, [])
  t.ok(ARCHITECTURE.includes('No two files import each other, not even through others.'))
})

t.test('`cli` loads commands and the sandbox on demand, so that it starts quickly.', async (t) => {
  const early = globSync('cli/*.ts', { cwd: SRC }).filter((file) =>
    /^import (?!type).*'\.\.\/(commands|sandbox)\//m.test(readFileSync(join(SRC, file), 'utf8')),
  )
  t.same(early, [])
})
