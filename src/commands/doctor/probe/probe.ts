import { type Clock, systemClock } from '../../../base/clock.ts'
import { confirm } from '../../../cli/confirm.ts'
import { EXIT } from '../../../cli/exit-codes.ts'
import { untilInterrupted } from '../../../cli/interrupt.ts'
import { count, print, printable, printJson } from '../../../cli/terminal.ts'
import { loadConfig } from '../../../config/load-config.ts'
import { parts } from '../../../parts.ts'
import type { TenantConfig } from '../../../qlik/tenant-config.ts'
import { tenantNamed } from '../../configured-tenant.ts'
import { linesOf } from '../finding.ts'
import { MAX_CALLS, ProbeCalls } from './calls.ts'
import { judge } from './judge.ts'
import { type Observations, observe } from './observe.ts'

/** Longer than all waits of a probe together. */
const TIME_LIMIT_MS = 120_000

export interface ProbeCommandOptions {
  tenant?: string | undefined
  yes?: boolean | undefined
  json?: boolean
}

/**
 * The command `doctor --probe`. Sets the exit code 1 if the tenant differs from what Curfew relies on, or the probe
 * ended early.
 * @throws ConfigError, UsageError, CommandError
 */
export async function probeCommand({ tenant, yes, json }: ProbeCommandOptions): Promise<void> {
  const config = tenantNamed(tenant, (await loadConfig(process.env, parts.sources)).tenants)
  const { clientId } = config.clients[0]
  const of = `tenant ${config.name} at ${config.origin}, OAuth client ${clientId}`
  await confirm(
    `Probe ${of}? This requests two access tokens for the client's bot user and deletes one of them, with up to ${MAX_CALLS[1]} tier 1 calls and ${MAX_CALLS[2]} tier 2 calls in ${TIME_LIMIT_MS / 1000} s. A running Curfew with the same client shares its rate limit.`,
    { yes },
  )
  const { seen, isInterrupted } = await untilInterrupted(async (signal) => ({
    seen: await probe(config, systemClock, signal),
    isInterrupted: signal.aborted,
  }))
  const findings = judge(seen, config)
  const { calls, stopped, leftBehind } = seen
  const isOk = stopped === null && findings.every(({ status }) => status !== 'failed')
  if (!isOk) process.exitCode = isInterrupted ? EXIT.interrupted : EXIT.no
  if (json)
    return printJson({
      ok: isOk,
      tenant: config.name,
      client: clientId,
      calls,
      stopped,
      leftBehind,
      findings,
    })
  print(`Probe of ${printable(of)}:`)
  for (const finding of findings) for (const line of linesOf(finding)) print(line)
  for (const line of endOf(seen)) print(line)
}

/** Probes a tenant with its first client. Never rejects. */
export async function probe(config: TenantConfig, clock: Clock, signal: AbortSignal): Promise<Observations> {
  const calls = new ProbeCalls(config, clock)
  const limit = new AbortController()
  const cancel = clock.after(TIME_LIMIT_MS, () => limit.abort())
  try {
    const either = AbortSignal.any([signal, limit.signal])
    return await observe({ calls, origin: config.origin, clock, signal: either })
  } finally {
    cancel()
    await calls.close()
  }
}

function endOf({ calls, stopped, leftBehind }: Observations): string[] {
  const made = `${count(calls[1], 'tier 1 call')}, ${count(calls[2], 'tier 2 call')}.`
  const early = stopped === null ? [] : [`The probe ended early: ${printable(stopped)}`]
  const left =
    leftBehind === null
      ? []
      : [
          `The throw-away token was not deleted and expires by itself${leftBehind === 'unknown' ? '' : `: ${printable(leftBehind)}`}.`,
        ]
  return ['', ...early, ...left, made]
}
