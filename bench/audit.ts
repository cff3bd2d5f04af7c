import { startPostgres } from './postgres.ts'
import { CONNECTIONS, cpuMicros, describe, inRounds, REQUESTS_A_ROUND, rateRatios, sideOf } from './rounds.ts'
import { type Bench, type Figure, median, print, spread, startService, withBench } from './support.ts'
import { startTenant } from './tenant.ts'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 7)
const AIM = 0.85

/** What the audit trail costs: accepts per second with it, relative to a service without it. */
export async function audit(): Promise<Figure[]> {
  return [
    await withBench((bench) => figure(bench, 'SQLite', async () => ({}))),
    await withBench(async (bench) => {
      const { url, query } = await startPostgres(bench)
      let count = 0
      return figure(bench, 'PostgreSQL', async () => {
        const own = new URL(url)
        count += 1
        own.pathname = `/audit_${count}`
        await query(`CREATE DATABASE ${own.pathname.slice(1)}`)
        return { DATABASE_URL: own.href }
      })
    }),
  ]
}

/** @param newDatabase returns the environment of a service with an empty database */
async function figure(
  bench: Bench,
  kind: string,
  newDatabase: () => Promise<Record<string, string>>,
): Promise<Figure> {
  const tenant = await startTenant(bench, { latencyMs: 50 })
  const start = async (days: number) => {
    const environment = {
      QLIK_TIER1_LIMIT: '100',
      AUDIT_RETENTION_DAYS: String(days),
      ...(await newDatabase()),
    }
    return sideOf(await startService(bench, tenant.url, environment))
  }
  const [on, off] = [await start(365), await start(0)]
  await inRounds(bench, ROUNDS, [on, off])
  for (const { child } of [on, off]) await child.stop()
  const ratios = rateRatios(on, off)
  return {
    name: `Accepts per second with the audit trail on ${kind}, relative to none`,
    measured: `${spread(ratios, 2)}: ${describe(on)} against ${describe(off)}`,
    aim: `≥ ${AIM}`,
    met: median(ratios) >= AIM,
    note:
      `${ROUNDS} rounds of ${REQUESTS_A_ROUND} requests over ${CONNECTIONS} connections to both services in turn, as in 1. CPU time of the service ` +
      `per accept: ${spread(cpuMicros(on), 0, ' µs')} against ${spread(cpuMicros(off), 0, ' µs')}.`,
  }
}

if (import.meta.main) await print(audit())
