import { TIERS, type Tier } from '../../../qlik/budget/permit-log.ts'
import type { TenantConfig } from '../../../qlik/tenant-config.ts'
import { ok, warning } from '../finding.ts'
import type { Observations } from './observe.ts'
import { assume, type ProbeFinding, seconds } from './probe-finding.ts'

/** A limit as headers state it. */
interface Stated {
  calls: number
  /** Null if it is not stated. */
  windowMs: number | null
}

const TIER_KEYS: Record<Tier, readonly [variable: string, member: string]> = {
  1: ['QLIK_TIER1_LIMIT', 'tier1Limit'],
  2: ['QLIK_TIER2_LIMIT', 'tier2Limit'],
}

/** Compares stated rate limits and response times with the configuration. Pure. */
export function limitFindings(seen: Observations, config: TenantConfig): ProbeFinding[] {
  return [...TIERS.map((tier) => limitFinding(tier, seen, config)), timeFinding(seen, config)]
}

function limitFinding(tier: Tier, { limitHeaders, calls }: Observations, config: TenantConfig): ProbeFinding {
  const what = `rate limit, tier ${tier}`
  const { windowMs } = config
  const limit = tier === 1 ? config.tier1Limit : config.tier2Limit
  const assumed = `${limit} calls in ${seconds(windowMs)}, as configured; no headers state it.`
  const headers = limitHeaders[tier]
  if (headers.size === 0)
    return assume(assumed, ok(what, `No header of ${calls[tier]} responses states a limit.`))
  const shown = `Headers: ${[...headers].map(([name, value]) => `${name}: ${value}`).join('; ')}.`
  const stated = statedIn(headers)
  if (stated === null || isSameRate(stated, { calls: limit, windowMs }))
    return assume(assumed, ok(what, shown))
  const [variable, member] = TIER_KEYS[tier]
  const settings = [
    `${variable}=${stated.calls} (${member} in CONFIG_FILE)`,
    ...(stated.windowMs === null || stated.windowMs === windowMs
      ? []
      : [`QLIK_RATE_WINDOW_MS=${stated.windowMs} (rateWindowMs)`]),
  ]
  return assume(assumed, warning(what, shown, `Set ${settings.join(', and ')}.`))
}

function isSameRate(stated: Stated, configured: { calls: number; windowMs: number }): boolean {
  return stated.calls === configured.calls && (stated.windowMs ?? configured.windowMs) === configured.windowMs
}

/** Forms of several drafts and products: `500;w=300`, `"user";q=500;w=300`, or a number of calls alone. */
function statedIn(headers: ReadonlyMap<string, string>): Stated | null {
  for (const value of headers.values()) {
    const [, calls, windowS] = /(?:^|[\s,=])(\d{1,9});\s*w=(\d{1,6})/.exec(value) ?? []
    if (calls !== undefined && Number(calls) > 0 && Number(windowS) > 0)
      return { calls: Number(calls), windowMs: Number(windowS) * 1000 }
  }
  const alone = [...headers].find(([name]) => /limit$/i.test(name.replace(/^(x-)?rate-?limit$/i, '')))?.[1]
  const calls = /^\s*(\d{1,9})\b/.exec(alone ?? '')?.[1]
  return calls === undefined || Number(calls) === 0 ? null : { calls: Number(calls), windowMs: null }
}

function timeFinding({ slowestMs }: Observations, { timeoutMs }: TenantConfig): ProbeFinding {
  const what = 'response time'
  const assumed = `Qlik responds within ${seconds(timeoutMs)} (QLIK_TIMEOUT_MS).`
  const detail = `The slowest response took ${seconds(slowestMs)}.`
  if (slowestMs * 2 <= timeoutMs) return assume(assumed, ok(what, detail))
  const suggested = Math.min(60_000, Math.ceil((slowestMs * 4) / 1000) * 1000)
  return assume(
    assumed,
    warning(
      what,
      detail,
      `Set QLIK_TIMEOUT_MS=${suggested} (timeoutMs in CONFIG_FILE), or check the network.`,
    ),
  )
}
