import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Browser } from '../test/support/browser.ts'
import { memoryAtStart, memoryFigure } from './memory-at-start.ts'
import { CONNECTIONS, cpuMicros, describe, inRounds, REQUESTS_A_ROUND, rateRatios, sideOf } from './rounds.ts'
import {
  API_KEY,
  type Bench,
  type Child,
  type Figure,
  median,
  print,
  spread,
  startChild,
  startService,
  withBench,
} from './support.ts'
import { startTenant } from './tenant.ts'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 7)
const AIM = 0.85
/** No aim is set: it is what the libraries of OpenTelemetry take. */
const AIM_MB = 60

/** What traces, notifications and an open dashboard cost, relative to a service that uses none of them. */
export function parts(): Promise<Figure[]> {
  return withBench(async (bench) => {
    const tenant = await startTenant(bench, { latencyMs: 50 })
    const start = (more: Record<string, string>) =>
      startService(bench, tenant.url, { QLIK_TIER1_LIMIT: '100', ...more })
    const all = await environmentOfAll(bench)
    const memory = await memoryAtStart([() => start(all), () => start({})])
    const [on, off] = [sideOf(await start(all)), sideOf(await start({}))]
    await watchDashboard(bench, on.child)
    await inRounds(bench, ROUNDS, [on, off])
    const ratios = rateRatios(on, off)
    return [
      {
        name: 'Accepts per second with traces, a receiver and an open dashboard, relative to none of them',
        measured: `${spread(ratios, 2)}: ${describe(on)} against ${describe(off)}`,
        aim: `≥ ${AIM}`,
        met: median(ratios) >= AIM,
        note:
          `${ROUNDS} rounds of ${REQUESTS_A_ROUND} requests over ${CONNECTIONS} connections to both services in turn, on SQLite. Every request is ` +
          `sampled; the collector and the receiver answer at once. CPU time of the service per accept: ${spread(cpuMicros(on), 0, ' µs')} against ` +
          `${spread(cpuMicros(off), 0, ' µs')}.`,
      },
      memoryFigure('Memory at start with traces and a receiver, more than without', memory, AIM_MB),
    ]
  })
}

async function environmentOfAll(bench: Bench): Promise<Record<string, string>> {
  const sink = await startChild(bench, 'bench/sink.ts')
  const secret = `whsec_${randomBytes(24).toString('base64')}`
  const file = join(bench.folder, 'curfew.json')
  const receivers = [{ name: 'sink', url: sink.url, secret }]
  writeFileSync(file, JSON.stringify({ receivers, receiverNetworks: ['127.0.0.1'] }))
  return { CONFIG_FILE: file, OTEL_EXPORTER_OTLP_ENDPOINT: sink.url }
}

/** Follows the events of a signed-in operator, and loads a page at each, at most every two seconds, as the page does. */
async function watchDashboard(bench: Bench, { url }: Child): Promise<void> {
  const browser = new Browser(url)
  await browser.submit(await browser.get('/dashboard/sign-in'), '/dashboard/sign-in', { key: API_KEY })
  const stop = new AbortController()
  const events = await fetch(`${url}/dashboard/events`, {
    headers: { cookie: [...browser.cookies].map((pair) => pair.join('=')).join('; ') },
    signal: stop.signal,
  })
  if (!events.ok || !events.body) throw new Error(`Expected a stream of events, not ${events.status}.`)
  let hasChanged = false
  const reading = (async () => {
    for await (const _ of events.body ?? []) hasChanged = true
  })().catch(() => {})
  const timer = setInterval(async () => {
    if (!hasChanged) return
    hasChanged = false
    const { status } = await browser.get('/dashboard')
    if (status !== 200) throw new Error(`Expected the page, not ${status}.`)
  }, 2_000)
  bench.onEnd(async () => {
    clearInterval(timer)
    stop.abort()
    await reading
  })
}

if (import.meta.main) await print(parts())
