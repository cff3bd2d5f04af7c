import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { attacks } from './attacks.ts'
import { startVictim } from './victim.ts'

/**
 * `npm run hostile [-- SECONDS]`: measures a service under each attack. Fails if `/health/live` takes longer than 500 ms, or if
 * memory exceeds that of the idle service by more than 100 MB. On an idle machine with two processors or more.
 */
const SECONDS = Number(process.argv[2] ?? 10)
/** Attacks by number; all by default. */
const ONLY = process.argv.slice(3).map(Number)
const QUEUED = 60_000
const LONGEST_PROBE_MS = 500
const MEMORY_MB = 100

const folder = mkdtempSync(join(tmpdir(), 'curfew-hostile-'))
let failures = 0
for (const [index, { name }] of attacks().entries()) {
  if (ONLY.length > 0 && !ONLY.includes(index)) continue
  const victim = await startVictim({ folder: mkdtempSync(join(folder, 'victim-')), queued: QUEUED })
  const idle = victim.memoryMb()
  const attack = await victim.attack(index)
  let slowest = 0
  let peak = idle
  let probes = 0
  for (const until = performance.now() + SECONDS * 1000; performance.now() < until; probes += 1) {
    slowest = Math.max(slowest, await victim.probe())
    peak = Math.max(peak, victim.memoryMb())
  }
  await attack.stop()
  await victim.stop()
  const isWithin = slowest <= LONGEST_PROBE_MS && peak - idle <= MEMORY_MB
  if (!isWithin) failures += 1
  const figures = `${probes} probes, the slowest ${slowest.toFixed(0)} ms; ${idle.toFixed(0)} → ${peak.toFixed(0)} MB`
  process.stdout.write(`${isWithin ? 'ok    ' : 'FAILED'} ${name}: ${figures}\n`)
}
rmSync(folder, { recursive: true, force: true })
process.exitCode = failures > 0 ? 1 : 0
