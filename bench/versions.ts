import { relative, resolve } from 'node:path'
import { CONNECTIONS, cpuMicros, describe, inRounds, REQUESTS_A_ROUND, rateRatios, sideOf } from './rounds.ts'
import { median, print, serviceEnvironment, spread, startChild, withBench } from './support.ts'
import { startTenant } from './tenant.ts'

const ROUNDS = 7
const ROOT = resolve(import.meta.dirname, '..')

/** Signed, durable accepts per second, compared with another version of the service: `node bench/versions.ts FOLDER`. */
function versions(folder: string) {
  return withBench(async (bench) => {
    const start = async (root: string) => {
      const tenant = await startTenant(bench, { latencyMs: 50 })
      const environment = serviceEnvironment(bench, tenant.url, { QLIK_TIER1_LIMIT: '100' })
      return sideOf(await startChild(bench, relative(ROOT, resolve(root, 'src/main.ts')), { environment }))
    }
    const [ours, theirs] = [await start(ROOT), await start(folder)]
    await inRounds(bench, ROUNDS, [ours, theirs])
    const ratios = rateRatios(ours, theirs)
    return [
      {
        name: 'Signed, durable accepts per second, relative to the other version',
        measured: `${spread(ratios, 2)}: ${describe(ours)} against ${describe(theirs)}`,
        aim: '≥ 0.95',
        met: median(ratios) >= 0.95,
        note:
          `${ROUNDS} rounds of ${REQUESTS_A_ROUND} requests over ${CONNECTIONS} connections, each with its own user, id and signature. ` +
          `CPU time per accept: ${spread(cpuMicros(ours), 0, ' µs')} against ${spread(cpuMicros(theirs), 0, ' µs')}.`,
      },
    ]
  })
}

await print(versions(String(process.argv[2])))
