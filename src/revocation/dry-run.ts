import type { Clock } from '../base/clock.ts'
import { CurfewError, type ErrorCode } from '../base/errors.ts'
import type { AuditLog } from './audit/audit-log.ts'
import { dryRunEvent } from './audit/events.ts'
import type { DryRunView, Finding } from './dry-run-view.ts'
import { identify } from './identify.ts'
import { pages } from './listing.ts'
import type { Origin } from './origin.ts'
import type { CallOptions, QlikTenant, QlikTenants, Token } from './qlik-tenant.ts'
import { FRESH_POWER_MS, powerBehind, requirePower, sawAllUsers } from './require-power.ts'
import { toFailure } from './retry-policy.ts'
import { RunTime, stamped } from './run-time.ts'
import { decideToken } from './scope.ts'
import { REASONS, type Signal } from './signal.ts'

/** The caller waits, so users not checked by then are reported as errors. */
const TIME_LIMIT_MS = 20_000
const MAX_CONCURRENT_USERS = 10
/** Pages of 100 tokens beyond each user's first page, for all users of a dry run together. */
const MAX_MORE_PAGES = 100
/** Lower than all signals, whose urgencies are those of their reasons. */
const URGENCY = REASONS.length

/** For each signal, in order: what it would do now, or why that is unknown. Rejects only if it cannot be recorded. */
export type DryRun = (signals: readonly Signal[], origin: Origin) => Promise<(DryRunView | CurfewError)[]>

export interface DryRunOptions {
  tenants: Pick<QlikTenants, 'get'>
  audit: Pick<AuditLog, 'record'>
  clock: Clock
}

/** State shared by all users of one dry run. */
interface Shared extends CallOptions {
  clock: Clock
  /** Remaining pages that may be read beyond the users' first pages. */
  morePages: number
}

/** The Qlik user ids that a signal's user resolves to, or why there are none. */
interface Named {
  signal: Signal
  tenant: QlikTenant
  ownUserIds: ReadonlySet<string>
  resolved: string[] | Finding
}

/**
 * Determines what signals would do now. Nothing is revoked, and only the audit trail is written, before anything is read:
 * the answer shows tokens of users. A failure affects one user only. Reads one page
 * of tokens for each user and 100 more for all of them together, and ends within 20 s.
 */
export function createDryRun({ tenants, audit, clock }: DryRunOptions): DryRun {
  return async (signals, origin) => {
    await audit.record(
      signals.map((signal) => dryRunEvent(signal, origin)),
      clock.now(),
    )
    const abort = new AbortController()
    const cancel = clock.after(TIME_LIMIT_MS, () => abort.abort())
    const limits = { signal: abort.signal, urgency: URGENCY, morePages: MAX_MORE_PAGES }
    const shared: Shared = { ...limits, clock }
    const orError = <T>(work: Promise<T>) => work.catch((cause) => errorOf(cause, abort.signal))

    // All in parallel: names that are looked up at the same time share calls.
    const named = await Promise.all(
      signals.map((signal) => orError(identified(signal, tenants.get(signal.tenant), shared))),
    )
    const results: (DryRunView | CurfewError)[] = []
    const waiting = named.entries()
    async function lane(): Promise<void> {
      for (const [index, one] of waiting) {
        results[index] = one instanceof CurfewError ? one : await orError(preview(one, shared))
      }
    }
    await Promise.all(Array.from({ length: MAX_CONCURRENT_USERS }, lane))
    cancel()
    return results
  }
}

function errorOf(cause: unknown, { aborted }: AbortSignal): CurfewError {
  if (aborted) {
    return new CurfewError('CURFEW_DRY_RUN_TIMEOUT', undefined, { cause, retryAfterSeconds: 30 })
  }
  const { code, detail } = toFailure(cause)
  return new CurfewError(code, detail, { cause })
}

/** Findings for errors that would fail the revocation. */
const FINDING_OF: Partial<Record<ErrorCode, Finding>> = {
  CURFEW_AMBIGUOUS_USER: 'ambiguous',
  CURFEW_OWN_USER: 'own-user',
}

async function identified(signal: Signal, tenant: QlikTenant | undefined, call: CallOptions): Promise<Named> {
  if (!tenant) throw new CurfewError('CURFEW_UNKNOWN_TENANT')
  const { ownUserIds } = await requirePower(tenant, call)
  const named = { signal, tenant, ownUserIds }
  try {
    const { ids, isProven } = await identify(signal.user, ownUserIds, tenant, call)
    if (ids.length > 0) return { ...named, resolved: ids }
    return { ...named, resolved: isProven ? 'no-matching-user' : 'none-visible' }
  } catch (error) {
    const finding = error instanceof CurfewError ? FINDING_OF[error.code] : undefined
    if (finding) return { ...named, resolved: finding }
    throw error
  }
}

async function preview({ resolved, ...named }: Named, shared: Shared): Promise<DryRunView> {
  const { signal } = named
  if (typeof resolved === 'string') return toView(signal, [], resolved, NONE)
  const { clients, ...listed } = await list(named, resolved, shared)
  const isEmpty = listed.tokens.length + listed.kept.length === 0
  const finding = isEmpty ? await findingForEmptyList(named, resolved, { ...shared, clients }) : 'exists'
  return toView(signal, finding === 'no-such-user' ? [] : resolved, finding, listed)
}

type Listed = Pick<DryRunView, 'tokens' | 'kept' | 'truncated'>
const NONE: Listed = { tokens: [], kept: [], truncated: false }

/** The tokens of a signal's Qlik users, and what the signal would do to each. */
async function list(
  { signal, tenant, ownUserIds }: Omit<Named, 'resolved'>,
  userIds: readonly string[],
  shared: Shared,
): Promise<Listed & Pick<Read, 'clients'>> {
  const time = runTimeOf(signal, tenant, shared.clock)
  const { found, clients, truncated } = await read(userIds, tenant, shared)
  // After the tokens are listed, because the responses reveal the tenant's clock.
  const scopes = { own: time.scope(true), other: time.scope(false) }
  const tenantNow = time.tenantNow()
  const tokens: DryRunView['tokens'] = []
  const kept: DryRunView['kept'] = []
  for (const { userId, ...token } of found.values()) {
    const scope = ownUserIds.has(userId) ? scopes.own : scopes.other
    const { verdict, why } = decideToken(token, scope, tenantNow)
    const would = verdict === 'revoke' ? tokens : kept
    would.push({ ...token, why })
  }
  return { tokens, kept, truncated, clients }
}

interface Read {
  found: Map<string, Token & { userId: string }>
  /** Ids of the OAuth clients that listed them. */
  clients: Set<string>
  truncated: boolean
}

/** All tokens of these users, each once, within the page limit. */
async function read(userIds: readonly string[], tenant: QlikTenant, shared: Shared): Promise<Read> {
  const found: Read['found'] = new Map()
  const clients: Read['clients'] = new Set()
  for (const [index, userId] of userIds.entries()) {
    if (index > 0 && !mayReadMore(shared)) return { found, clients, truncated: true }
    for await (const { tokens, next, client } of pages(tenant, userId, shared)) {
      clients.add(client)
      for (const token of tokens) found.set(token.id, { ...token, userId })
      if (next !== null && !mayReadMore(shared)) return { found, clients, truncated: true }
    }
  }
  return { found, clients, truncated: false }
}

/** Whether one more page may be read; if so, counts it. */
function mayReadMore(shared: Shared): boolean {
  if (shared.morePages === 0) return false
  shared.morePages -= 1
  return true
}

/** The time of a signal that is not stored, as measured by this process only. */
function runTimeOf(signal: Signal, tenant: QlikTenant, clock: Clock): RunTime {
  const options = { clock, tenant, storeClock: () => null }
  const { signalTime = null, occurredAt } = stamped(signal, options)
  return new RunTime({ ...signal, occurredAt, signalTime, signalTimeOf: occurredAt }, options)
}

/**
 * What an empty list of tokens means. Qlik returns an empty list, not an error, for an unknown id and to a client
 * that cannot see other users' tokens.
 */
async function findingForEmptyList(
  { signal, tenant, ownUserIds }: Omit<Named, 'resolved'>,
  userIds: readonly string[],
  { clients, ...shared }: Shared & Pick<Read, 'clients'>,
): Promise<Finding> {
  if (userIds.every((userId) => ownUserIds.has(userId))) return 'exists'
  for (const client of clients) {
    const power = await powerBehind(client, tenant, { ...shared, maxAgeMs: FRESH_POWER_MS })
    if (power?.power !== 'proven') return 'none-visible'
  }
  const { kind, value } = signal.user
  const [client] = clients
  if (kind !== 'userId' || client === undefined) return 'exists'
  if (await tenant.userExists(value, { ...shared, client })) return 'exists'
  return (await sawAllUsers(client, tenant, shared)) ? 'no-such-user' : 'none-visible'
}

function toView(
  { tenant, user, reason, scope, deviceType, occurredAt, acceptedAt }: Signal,
  resolved: string[],
  finding: Finding,
  listed: Listed,
): DryRunView {
  return {
    tenant,
    user: { [user.kind]: user.value, resolved },
    reason,
    scope,
    ...(deviceType === null ? {} : { deviceType }),
    occurredAt: new Date(Math.min(occurredAt, acceptedAt)).toISOString(),
    finding,
    ...listed,
  }
}
