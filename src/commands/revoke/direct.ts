import { systemClock } from '../../base/clock.ts'
import { CurfewError, ERRORS, UsageError } from '../../base/errors.ts'
import { textOfUser } from '../../base/user-name.ts'
import { CommandError } from '../../cli/command-error.ts'
import { confirm } from '../../cli/confirm.ts'
import { EXIT } from '../../cli/exit-codes.ts'
import { untilInterrupted } from '../../cli/interrupt.ts'
import { withProgress } from '../../cli/progress.ts'
import { count, note, print, printable, printJson } from '../../cli/terminal.ts'
import type { User } from '../../client/client.ts'
import { loadConfig } from '../../config/load-config.ts'
import { parts } from '../../parts.ts'
import type { TenantConfig } from '../../qlik/tenant-config.ts'
import { Tenants } from '../../qlik/tenants.ts'
import { createDryRun } from '../../revocation/dry-run.ts'
import { toFailure } from '../../revocation/retry-policy.ts'
import { isVerified, type Revocation } from '../../revocation/revocation.ts'
import { view } from '../../revocation/revocation-view.ts'
import { defaultScope, Reason, Scope, type Signal, type UserReference } from '../../revocation/signal.ts'
import { NO_HISTORY, SILENT, tenantNamed } from '../configured-tenant.ts'
import { type DirectProgress, runDirectly } from './direct-run.ts'
import { dryRun, type Preview } from './dry-run.ts'
import { type RevokeOptions, readUsers } from './input.ts'
import { describe } from './results.ts'

const CAVEAT =
  'A running Curfew with the same OAuth client shares its rate limit and does not see these calls. They are not in its audit trail.'

/**
 * The command `revoke --direct`: revokes without a running service. Sets the exit code 1 unless all are verified.
 * @throws ConfigError, UsageError, CommandError
 */
export async function directCommand(names: string[], options: RevokeOptions): Promise<void> {
  const { json, profile, wait } = options
  if (profile !== undefined || wait)
    throw new UsageError('--direct always waits, and calls no service: omit --wait and --profile.')
  const { users } = await readUsers(names, options)
  const config = await loadConfig(process.env, parts.sources, { needsSenders: false })
  const tenant = tenantNamed(options.tenant, config.tenants)
  const signals = users.map((user) => signalFor(user, tenant.name, options))
  note(`Directly at tenant ${printable(tenant.name)}, ${tenant.origin}. ${CAVEAT}`)
  if (options.dryRun) return previewDirectly(users, signals, tenant, options)
  const limit = config.massRevocation.users
  if (limit > 0 && users.length > limit)
    await confirm(`Revoke the tokens of ${count(users.length, 'user')}? No brake holds them.`, options)
  const { revocations, isInterrupted } = await revokeAll(signals, tenant, Boolean(json))
  const verified = revocations.filter(isVerified).length
  process.exitCode = isInterrupted ? EXIT.interrupted : verified === users.length ? EXIT.ok : EXIT.no
  show(users, revocations, Boolean(json))
  if (isInterrupted)
    note('Interrupted: no further token is revoked. Run the same command again to revoke the rest.')
}

function signalFor(user: User, tenant: string, { reason: given, scope }: RevokeOptions): Signal {
  const now = systemClock.now()
  const reason = Reason.parse(given)
  return {
    ...{ tenant, user: referenceTo(user), source: 'direct', reason, deviceType: null },
    ...{ scope: scope === undefined ? defaultScope(reason) : Scope.parse(scope) },
    ...{ occurredAt: now, acceptedAt: now },
  }
}

function referenceTo({ userId, subject, email }: User): UserReference {
  if (userId !== undefined) return { kind: 'userId', value: userId }
  return subject === undefined ? { kind: 'email', value: email ?? '' } : { kind: 'subject', value: subject }
}

async function previewDirectly(
  users: readonly User[],
  signals: readonly Signal[],
  config: TenantConfig,
  options: RevokeOptions,
): Promise<void> {
  const tenants = new Tenants([config], {
    ...{ permits: NO_HISTORY, clock: systemClock, log: SILENT },
    onCall: () => {},
  })
  const run = createDryRun({ tenants, audit: { record: async () => {} }, clock: systemClock })
  const origin = { kind: 'api-key', name: 'direct', id: '', address: null } as const
  let next = 0
  const preview: Preview = async (part) => {
    const results = await run(signals.slice(next, next + part.length), origin)
    next += part.length
    return results.map((result) =>
      result instanceof CurfewError
        ? { error: { code: result.code, title: ERRORS[result.code].title, detail: result.message } }
        : { dryRun: result },
    )
  }
  try {
    await dryRun(users, preview, options)
  } finally {
    await tenants.stop()
  }
}

function revokeAll(signals: readonly Signal[], config: TenantConfig, isQuiet: boolean) {
  return untilInterrupted(async (signal) => {
    try {
      const revocations = await withProgress('Revoking', isQuiet, (report) =>
        runDirectly(signals, {
          ...{ config, clock: systemClock, signal },
          onProgress: (progress) => report(textOf(progress, signals.length)),
        }),
      )
      return { revocations, isInterrupted: signal.aborted }
    } catch (error) {
      if (signal.aborted) throw new CommandError('Interrupted: nothing was revoked.', EXIT.interrupted)
      const { code, detail } = toFailure(error)
      if (code === 'CURFEW_INTERNAL') throw error
      const exitCode = code === 'CURFEW_QLIK_UNAVAILABLE' ? EXIT.temporary : EXIT.denied
      throw new CommandError(`${code}: ${detail}\n${ERRORS[code].action}`, exitCode, code)
    }
  })
}

function textOf({ verified, completed, tokens, limitedUntil }: DirectProgress, total: number): string {
  const wait =
    limitedUntil === null ? '' : `, rate limit until ${new Date(limitedUntil).toISOString().slice(11, 19)}Z`
  return `${verified} of ${count(total, 'user')} verified, ${completed} completed, ${count(tokens, 'token')} revoked${wait}`
}

function show(users: readonly User[], revocations: readonly Revocation[], isJson: boolean) {
  const results = users.map((user, index) => {
    const found = revocations[index]
    return { user, id: null, error: null, revocation: found ? view(found, null, null) : null }
  })
  const verified = results.filter(({ revocation }) => revocation?.verified).length
  if (isJson)
    return printJson({
      verified,
      notVerified: results.length - verified,
      items: results.map(({ user, revocation }) => ({
        user,
        ...{ status: revocation?.status ?? null, outcome: revocation?.outcome ?? null },
        ...{ verified: revocation?.verified ?? false, tokens: revocation?.tokens ?? null },
        error: revocation?.error ?? null,
      })),
    })
  for (const result of results) print(`${printable(textOfUser(result.user))}  ${describe(result)}`)
  print(`${count(verified, 'user')} verified, ${results.length - verified} not.`)
}
