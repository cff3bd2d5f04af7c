import { relative, resolve } from 'node:path'
import { START_FLAGS } from '../test/support/start-flags.ts'
import { memoryAtStart, memoryFigure } from './memory-at-start.ts'
import { CONNECTIONS, cpuMicros, describe, inRounds, REQUESTS_A_ROUND, rateRatios, sideOf } from './rounds.ts'
import { type Figure, median, print, serviceEnvironment, spread, startChild, withBench } from './support.ts'
import { startTenant } from './tenant.ts'

const ROUNDS = 7
const ROOT = resolve(import.meta.dirname, '..')
const MAX_MORE_MB = 5
const MIN_RATIO = 0.97

/**
 * Signed, durable accepts per second and memory at start, compared with another version of the service:
 * `node bench/versions.ts FOLDER`.
 */
function versions(folder: string): Promise<Figure[]> {
  return withBench(async (bench) => {
    const tenant = await startTenant(bench, { latencyMs: 50 })
    const start = (root: string) =>
      startChild(bench, relative(ROOT, resolve(root, 'src/main.ts')), {
        environment: serviceEnvironment(bench, tenant.url, { QLIK_TIER1_LIMIT: '100' }),
        nodeFlags: START_FLAGS,
      })
    const memory = await memoryAtStart([() => start(ROOT), () => start(folder)])
    const [ours, theirs] = [sideOf(await start(ROOT)), sideOf(await start(folder))]
    await inRounds(bench, ROUNDS, [ours, theirs])
    const ratios = rateRatios(ours, theirs)
    return [
      {
        name: 'Signed, durable accepts per second, relative to the other version',
        measured: `${spread(ratios, 2)}: ${describe(ours)} against ${describe(theirs)}`,
        aim: `≥ ${MIN_RATIO}`,
        met: median(ratios) >= MIN_RATIO,
        note:
          `${ROUNDS} rounds of ${REQUESTS_A_ROUND} requests over ${CONNECTIONS} connections, each with its own user, id and signature. ` +
          `CPU time per accept: ${spread(cpuMicros(ours), 0, ' µs')} against ${spread(cpuMicros(theirs), 0, ' µs')}.`,
      },
      memoryFigure('Memory at start, more than the other version', memory, MAX_MORE_MB),
    ]
  })
}

await print(versions(String(process.argv[2])))
