import type { Test } from 'tap'
import { openBudget } from '../../src/qlik/budget/open-budget.ts'
import type { PermitLog } from '../../src/qlik/budget/permit-log.ts'
import { openTenant } from '../../src/qlik/open-tenant.ts'
import type { TenantConfig } from '../../src/qlik/tenant-config.ts'
import { TokenMemory } from '../../src/qlik/token-memory.ts'
import { type ConfirmResult, confirm } from '../../src/revocation/confirm.ts'
import type { QlikTenant } from '../../src/revocation/qlik-tenant.ts'
import type { Revocation, TokenCounts } from '../../src/revocation/revocation.ts'
import { type RunResult, runAttempt } from '../../src/revocation/run-attempt.ts'
import { RunTime, stamped } from '../../src/revocation/run-time.ts'
import { urgencyOf } from '../../src/revocation/schedule.ts'
import { defaultScope, type Signal } from '../../src/revocation/signal.ts'
import { Tallies } from '../../src/revocation/tallies.ts'
import { newRevocation } from '../../src/revocation/transitions.ts'
import type { IssueOptions } from '../../src/sandbox/new-token.ts'
import type { SandboxOptions } from '../../src/sandbox/options.ts'
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts'
import type { SandboxUser } from '../../src/sandbox/tenant.ts'
import { type FakeClock, fakeClock } from './clock.ts'
import { aSignal, T0 } from './signals.ts'

const NO_LOG: PermitLog = {
  history: async () => ({ permits: [], blockedUntil: null }),
  note: async () => {},
  block: async () => {},
  unblock: async () => {},
}
const SILENT = { info: () => {}, warn: () => {}, error: () => {} }

/** Shorter than every wait, so that no wait ends late when the clock moves. */
const STEP_MS = 50
/** A run makes its next call within fewer turns of the event loop. */
const IDLE_TURNS = 10

export interface RunsOptions {
  sandbox?: SandboxOptions
  client?: Parameters<Sandbox['tenant']['addClient']>[0]
  concurrency?: number
  scope?: string
  onProgress?: (tokens: TokenCounts) => void
}

/** Runs of one process against a sandbox tenant. The clock moves only while no call is in flight. */
export interface Runs {
  clock: FakeClock
  sandbox: Sandbox
  client: ReturnType<Sandbox['tenant']['addClient']>
  qlik: QlikTenant
  /** A user with `count` tokens, granted a minute before T0. */
  userWithTokens(count: number, user?: Partial<SandboxUser> & IssueOptions): SandboxUser
  /** A revocation of one user, accepted now. */
  revocation(signal: Partial<Signal> & { userId?: string }): Revocation
  /** One attempt. */
  run(revocation: Revocation, signal?: AbortSignal): Promise<RunResult>
  /** One confirming listing. */
  confirm(completed: Revocation): Promise<ConfirmResult>
  /** Moves the clock until the promise is settled. */
  drive<T>(work: Promise<T>): Promise<T>
  /** How many deletes reached the tenant. */
  deletes(): number
  /** Another process of the same client, or this one after a restart. */
  another(): Runs
}

/** @param t closes the runs, their tenant and its server */
export async function openRuns(t: Test, options: RunsOptions = {}): Promise<Runs> {
  const clock = fakeClock(T0)
  const sandbox = await startSandbox({ now: clock.now, ...options.sandbox })
  t.teardown(() => sandbox.close())
  const client = sandbox.tenant.addClient(options.client)
  return processOf(t, { clock, sandbox, client }, options)
}

function processOf(
  t: Test,
  { clock, sandbox, client }: Pick<Runs, 'clock' | 'sandbox' | 'client'>,
  options: RunsOptions,
): Runs {
  const { concurrency = 8, scope = 'admin_classic', onProgress = () => {} } = options
  const config: TenantConfig = {
    name: 'default',
    origin: sandbox.url,
    clients: [{ clientId: client.id, credentials: [{ kind: 'secret', secret: client.secret }], scope }],
    apiVersion: '2026-11',
    tier1Limit: 5_000,
    tier2Limit: 500,
    windowMs: 300_000,
    timeoutMs: 60_000,
    concurrency,
  }
  const parts = { permits: NO_LOG, memory: new TokenMemory(clock), clock, log: SILENT }
  const qlik = openTenant(config, {
    ...parts,
    budgetOf: (one) => openBudget(config, one, parts),
    onCall: () => {},
  })
  t.teardown(() => qlik.stop())
  const tallies = new Tallies(clock)
  const storeClock = () => ({ clock: 'own', offset: { earliest: 0, latest: 0 } })
  const never = new AbortController().signal
  let serial = 0
  let underWay = 0
  sandbox.tenant.onCall((phase) => {
    underWay += phase === 'arrived' ? 1 : -1
  })

  const call = (revocation: Revocation) => ({
    urgency: urgencyOf(revocation.reason),
    clock,
    time: new RunTime(revocation, { clock, tenant: qlik, storeClock }),
  })

  async function drive<T>(work: Promise<T>): Promise<T> {
    let isSettled = false
    const settle = () => {
      isSettled = true
    }
    work.then(settle, settle)
    for (let idle = 0; !isSettled; idle = underWay > 0 ? 0 : idle + 1) {
      await new Promise((resolve) => setImmediate(resolve))
      if (idle > IDLE_TURNS) clock.advance(STEP_MS)
    }
    return work
  }

  const runs: Runs = {
    clock,
    sandbox,
    client,
    qlik,
    userWithTokens(count, { deviceType, issuedAt = T0 - 60_000, ...user } = {}) {
      const row = sandbox.tenant.addUser(user)
      sandbox.tenant.issueTokens(row.id, count, { issuedAt, ...(deviceType ? { deviceType } : {}) })
      return row
    },
    revocation(signal) {
      serial += 1
      const at = clock.now()
      const { reason = 'logout' } = signal
      const times = { occurredAt: at, acceptedAt: at, scope: defaultScope(reason) }
      const signals = aSignal({ ...times, ...signal })
      return newRevocation(`revocation-${serial}`, stamped(signals, { clock, tenant: qlik, storeClock }))
    },
    run(revocation, signal = never) {
      const lock = async () => {}
      const watch = { onProgress, onRevoked: () => {}, onListed: () => {} }
      const options = { ...call(revocation), signal, tallies, lock, ...watch }
      return drive(runAttempt(revocation, qlik, options))
    },
    confirm: (completed) => drive(confirm(completed, qlik, { ...call(completed), signal: never })),
    drive,
    deletes: () => sandbox.tenant.calls.filter(({ route }) => route === 'revoke').length,
    another: () => processOf(t, { clock, sandbox, client }, options),
  }
  return runs
}
