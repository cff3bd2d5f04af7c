import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { pause } from '../../base/pause.ts'
import { outlookOf } from '../../qlik/outlook.ts'
import type { TenantConfig } from '../../qlik/tenant-config.ts'
import { Tenants } from '../../qlik/tenants.ts'
import { requirePower } from '../../revocation/require-power.ts'
import { isSettled, isVerified, type Revocation } from '../../revocation/revocation.ts'
import { stamped } from '../../revocation/run-time.ts'
import type { Signal } from '../../revocation/signal.ts'
import { Worker } from '../../revocation/worker.ts'
import { openSqliteStore } from '../../stores/sqlite/store.ts'
import { SILENT } from '../configured-tenant.ts'

const LOOK_EVERY_MS = 1_000
/** The run ends if nothing has changed for this long, other than because of the rate limit. */
const STALLED_AFTER_MS = 5 * 60_000

export interface DirectProgress {
  verified: number
  /** Verified or not. */
  completed: number
  /** Tokens that this run has revoked. */
  tokens: number
  /** End of the wait for the rate limit; ms since the epoch, null if there is none. */
  limitedUntil: number | null
}

export interface DirectOptions {
  config: TenantConfig
  clock: Clock
  /** Ends the run: no further delete is sent. */
  signal: AbortSignal
  onProgress: (progress: DirectProgress) => void
}

/**
 * Revokes the tokens of users without a service: with its worker, its order and its rate limits, on a store in a temporary
 * folder, which is removed at the end. Resolves to the revocations, in the order of the signals, when all have ended and were
 * confirmed, the run is aborted, or nothing has changed for 5 minutes.
 * @throws QlikFailure, CurfewError if the client cannot do it at all
 */
export async function runDirectly(signals: readonly Signal[], options: DirectOptions): Promise<Revocation[]> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-direct-'))
  try {
    return await runIn(folder, signals, options)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function runIn(
  folder: string,
  signals: readonly Signal[],
  { config, clock, signal, onProgress }: DirectOptions,
): Promise<Revocation[]> {
  const store = openSqliteStore(join(folder, 'curfew.db'), clock, undefined, { audit: false })
  const state = { tokens: 0, changedAt: clock.monotonic() }
  const tenants = new Tenants([config], {
    ...{ permits: store.permits, clock, log: SILENT },
    onCall: (_, { route, status }) => {
      if (route !== 'revoke' || ![200, 204].includes(status)) return
      state.tokens += 1
      state.changedAt = clock.monotonic()
    },
  })
  const latest = new Map<string, Revocation>()
  const note = (revocation: Revocation) => {
    latest.set(revocation.id, revocation)
    state.changedAt = clock.monotonic()
  }
  const worker = new Worker({
    ...{ store, tenants, clock, log: SILENT, random: Math.random, onEnded: note, onConfirmed: note },
    runsPerTenant: () => 2 * tenants.highestConcurrency,
    allowance: (name) => tenants.ifOpen(name)?.pool.allowance() ?? null,
    onEndedElsewhere: () => {},
  })
  const report = () => {
    const limitedUntil = outlookOf(tenants, config.name, clock)?.nextPermitAt ?? null
    if (limitedUntil !== null) state.changedAt = clock.monotonic()
    const found = [...latest.values()]
    const completed = found.filter(({ status }) => status === 'completed').length
    onProgress({ verified: found.filter(isVerified).length, completed, tokens: state.tokens, limitedUntil })
  }
  try {
    await tenants.start()
    const tenant = tenants.get(config.name)
    if (!tenant) throw new Error('the tenant is configured')
    const checked = requirePower(tenant, { urgency: 0, signal })
    while (!(await Promise.race([checked, pause(LOOK_EVERY_MS, clock, signal)]))) report()
    const timed = signals.map((one) => stamped(one, { clock, tenant, storeClock: store.clock }))
    const { revocations } = await store.accept(timed, null, clock.now())
    const ids = revocations.map(({ id }) => id)
    const distinct = new Set(ids).size
    await worker.start()
    while (!signal.aborted) {
      report()
      if ([...latest.values()].filter(isSettled).length === distinct) break
      if (clock.monotonic() - state.changedAt > STALLED_AFTER_MS) break
      await pause(LOOK_EVERY_MS, clock, signal)
    }
    await worker.stop()
    const ended: Revocation[] = []
    for (const id of ids) ended.push((await store.get(id)) as Revocation)
    return ended
  } finally {
    await Promise.all([worker.stop(), tenants.stop()])
    await store.close()
  }
}
