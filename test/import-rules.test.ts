import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

const SRC = join(import.meta.dirname, '../src')
const ARCHITECTURE = readFileSync(join(SRC, '../docs/architecture.md'), 'utf8').replaceAll(/\s+/g, ' ')
const IMPORT = /\b(?:from|import)\s*\(?\s*'([^']+)'/g

/** What each file imports: our files by their path in `src/`, packages by their name. */
const imports = new Map(
  globSync('**/*.ts', { cwd: SRC }).map((file) => [
    file,
    [...readFileSync(join(SRC, file), 'utf8').matchAll(IMPORT)].map(([, name = '']) =>
      name.startsWith('.') ? join(dirname(file), name) : name,
    ),
  ]),
)
const isOurs = (name: string) => imports.has(name)
const kindOf = (file: string) => /^sources\/(?!common|token)([^/]+)\//.exec(file)?.[1]
const within =
  (...folders: string[]) =>
  (file: string) =>
    folders.some((folder) => file.startsWith(`${folder}/`))

/** Each rule as docs/architecture.md states it, and whether one file may not import another by it. */
const RULES: Record<string, (file: string, to: string) => boolean> = {
  '`base` imports nothing of ours.': (file, to) => within('base')(file) && isOurs(to) && !within('base')(to),
  '`revocation` imports only `base`.': (file, to) =>
    within('revocation')(file) && isOurs(to) && !within('revocation', 'base')(to),
  '`qlik` and `http` import only `base` and `revocation`.': (file, to) =>
    ['qlik', 'http'].some((one) => within(one)(file) && isOurs(to) && !within(one, 'base', 'revocation')(to)),
  '`stores` import only `base`, `revocation` and `qlik`.': (file, to) =>
    within('stores')(file) && isOurs(to) && !within('stores', 'base', 'revocation', 'qlik')(to),
  '`config` is imported only by `main`, `app`, `routes/reload` and `commands`.': (file, to) =>
    within('config')(to) &&
    !within('config', 'commands')(file) &&
    !/^(main|app|routes\/reload)\.ts$/.test(file),
  'A kind of source imports neither another kind nor the registry.': (file, to) =>
    kindOf(file) !== undefined &&
    ((kindOf(to) ?? kindOf(file)) !== kindOf(file) || /^sources\/[^/]+\.ts$/.test(to)),
  'Only `main`, `app`, `http`, `routes`, `sandbox`, and `route` and `refusal` of `sources` import fastify; `config` reads the environment by @fastify/env.':
    (file, to) =>
      /^@?fastify\b/.test(to) &&
      !within('http', 'routes', 'sandbox')(file) &&
      !/^(main|app|config\/environment|sources\/[^/]+\/(route|refusal))\.ts$/.test(file),
  'Only `commands` import `sandbox`.': (file, to) =>
    within('sandbox')(to) && !within('sandbox', 'commands')(file),
}

for (const [rule, isBroken] of Object.entries(RULES)) {
  t.test(rule, async (t) => {
    const broken = [...imports].flatMap(([file, names]) =>
      names.filter((to) => isBroken(file, to)).map((to) => `${file} imports ${to}`),
    )
    t.same(broken, [])
    t.ok(ARCHITECTURE.includes(rule), 'and the documentation states it')
  })
}

t.test('No two files import each other, not by way of others either.', async (t) => {
  const isDone = new Set<string>()
  const cycles: string[] = []
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' → '))
    if (path.includes(file) || isDone.has(file)) return
    for (const to of imports.get(file) ?? []) if (isOurs(to)) visit(to, [...path, file])
    isDone.add(file)
  }
  for (const file of imports.keys()) visit(file, [])
  t.same(cycles, [])
  t.ok(imports.size > 200)
})
