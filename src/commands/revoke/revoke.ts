import { createHash, randomUUID } from 'node:crypto'
import { UsageError } from '../../base/errors.ts'
import { CommandError } from '../../cli/command-error.ts'
import { connect, readConnection } from '../../cli/connection.ts'
import { EXIT } from '../../cli/exit-codes.ts'
import { untilInterrupted } from '../../cli/interrupt.ts'
import { withProgress } from '../../cli/progress.ts'
import { count, note } from '../../cli/terminal.ts'
import type { CurfewClient, RevokedUsers, User } from '../../client/client.ts'
import { progressOf } from '../batch.ts'
import { dryRun, serviceDryRun } from './dry-run.ts'
import { type Input, type RevokeOptions, readUsers } from './input.ts'
import { openProgress, type Progress } from './progress-file.ts'
import { type Result, show } from './results.ts'
import { waitForBatch } from './wait-for.ts'

/** Small enough that an interrupted run repeats little. */
const USERS_PER_REQUEST = 200

/** The command `revoke`. Sets the exit code 1 if a revocation was rejected, failed or is held. */
export async function revokeCommand(names: string[], options: RevokeOptions): Promise<void> {
  if (options.direct) return (await import('./direct.ts')).directCommand(names, options)
  if (options.yes) throw new UsageError('--yes applies to --direct.')
  const input = await readUsers(names, options)
  const client = connect(options.profile)
  if (options.dryRun) return dryRun(input.users, serviceDryRun(client, options), options)
  const { reason, scope, tenant, wait } = options
  const { url } = readConnection(options.profile)
  const progress = openProgress(
    input.progressPath,
    { id: randomUUID(), now: new Date() },
    { url, reason, ...(tenant && { tenant }), ...(scope && { scope }), ...(wait && { wait }) },
  )
  if (progress.isResumed && !options.json)
    note(`Resuming: ${count(progress.accepted.size, 'user')} of ${input.users.length} were already sent.`)
  await untilInterrupted(async (signal) => {
    const results = await withProgress('Revoking', Boolean(options.json), async (report) => {
      const sending = { ...options, progress, report, signal }
      const sent = await send(client, input.users, sending)
      return wait && !signal.aborted ? settle(client, sent, sending) : sent
    })
    if (signal.aborted) throw interrupted(input, progress)
    show(results, { ...options, batch: progress.run })
    progress.finish()
  })
}

interface Sending extends RevokeOptions {
  progress: Progress
  report: (state: string) => void
  signal: AbortSignal
}

async function send(client: CurfewClient, users: readonly User[], sending: Sending): Promise<Result[]> {
  const { progress, report, signal, reason, scope, tenant } = sending
  const details = {
    ...{ reason, scope, tenant, batch: progress.run },
    occurredAt: new Date(progress.occurredAt),
  }
  const known = (user: User) => progress.accepted.get(JSON.stringify(user))
  const results: Result[] = users.flatMap((user) => {
    const id = known(user)
    return id === undefined ? [] : [{ user, id, revocation: null, error: null }]
  })
  const left = users.filter((user) => known(user) === undefined)
  for (let start = 0; start < left.length && !signal.aborted; start += USERS_PER_REQUEST) {
    const part = left.slice(start, start + USERS_PER_REQUEST)
    const idempotencyKey = createHash('sha256')
      .update(`${progress.run} ${JSON.stringify(part)}`)
      .digest('hex')
    const { items } = await client.revokeUsers(part, { ...details, idempotencyKey })
    const sent = items.map((item): Result => resultOf(item, part[item.index] ?? {}))
    progress.accept(sent.flatMap(({ user, id }) => (id === null ? [] : [{ user, id }])))
    results.push(...sent)
    report(`${results.length} of ${count(users.length, 'user')} accepted`)
  }
  return results
}

function resultOf({ revocation, error }: RevokedUsers['items'][number], user: User): Result {
  return {
    user,
    id: revocation?.id ?? null,
    revocation: revocation ?? null,
    error: error ? { code: error.code, detail: error.detail ?? error.title } : null,
  }
}

async function settle(
  client: CurfewClient,
  results: Result[],
  { progress, tenant, report, signal }: Sending,
): Promise<Result[]> {
  const ids = results.flatMap(({ id }) => id ?? [])
  const batch = { id: progress.run, tenant }
  const settled = await waitForBatch(client, batch, ids, {
    signal,
    onChange: (batch) => report(progressOf(batch)),
  })
  return results.map((result) => ({
    ...result,
    revocation: settled.get(result.id ?? '') ?? result.revocation,
  }))
}

function interrupted({ users, progressPath }: Input, { accepted, run }: Progress): CommandError {
  const sent = `Interrupted: Curfew has accepted ${accepted.size} of ${count(users.length, 'user')}, and continues with them.`
  const next =
    progressPath === null ? '' : ` Run the same command again to continue: ${progressPath} has the progress.`
  return new CommandError(`${sent}${next} Their state: curfew batch ${run}`, EXIT.interrupted)
}
