import { createHash, randomUUID } from 'node:crypto'
import { UsageError } from '../../base/errors.ts'
import { CommandError } from '../../cli/command-error.ts'
import { connect, readConnection } from '../../cli/connection.ts'
import { EXIT } from '../../cli/exit-codes.ts'
import { withProgress } from '../../cli/progress.ts'
import { count, note, printable } from '../../cli/terminal.ts'
import type { CurfewClient, Revocation, User } from '../../client/client.ts'
import { dryRun, serviceDryRun } from './dry-run.ts'
import { type Input, type RevokeOptions, readUsers } from './input.ts'
import { openProgress, type Progress } from './progress-file.ts'
import { type Result, show } from './results.ts'
import { waitForAll } from './wait-for.ts'

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
  const interrupt = new AbortController()
  const onSignal = () => interrupt.abort()
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  try {
    const results = await withProgress('Revoking', Boolean(options.json), async (report) => {
      const sent = await send(client, input.users, { ...options, progress, report, signal: interrupt.signal })
      return wait && !interrupt.signal.aborted
        ? settle(client, sent, { report, signal: interrupt.signal })
        : sent
    })
    if (interrupt.signal.aborted) throw interrupted(input, progress)
    show(results, options)
    progress.finish()
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
}

interface Sending extends RevokeOptions {
  progress: Progress
  report: (state: string) => void
  signal: AbortSignal
}

async function send(client: CurfewClient, users: readonly User[], sending: Sending): Promise<Result[]> {
  const { progress, report, signal, reason, scope, tenant } = sending
  const known = (user: User) => progress.accepted.get(JSON.stringify(user))
  const results: Result[] = users.flatMap((user) => {
    const id = known(user)
    return id === undefined ? [] : [{ user, id, revocation: null, error: null }]
  })
  const left = users.filter((user) => known(user) === undefined)
  for (let start = 0; start < left.length && !signal.aborted; start += USERS_PER_REQUEST) {
    const part = left.slice(start, start + USERS_PER_REQUEST)
    const body = { users: part, reason, scope, tenant, occurredAt: progress.occurredAt }
    const idempotencyKey = createHash('sha256')
      .update(`${progress.run} ${JSON.stringify(part)}`)
      .digest('hex')
    const { items } = await client.call<{ items: BulkItem[] }>('POST', '/revocations', {
      body,
      idempotencyKey,
    })
    const sent = items.map((item): Result => resultOf(item, part[item.index] ?? {}))
    progress.accept(sent.flatMap(({ user, id }) => (id === null ? [] : [{ user, id }])))
    results.push(...sent)
    report(`${results.length} of ${count(users.length, 'user')} accepted`)
  }
  return results
}

interface BulkItem {
  index: number
  revocation?: Revocation
  error?: { code: string; title: string; detail?: string }
}

function resultOf({ revocation, error }: BulkItem, user: User): Result {
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
  { report, signal }: { report: (state: string) => void; signal: AbortSignal },
): Promise<Result[]> {
  const ids = results.flatMap(({ id }) => id ?? [])
  let done = 0
  const settled = await waitForAll(client, ids, {
    signal,
    onChange: () => {
      done += 1
      report(`${done} of ${ids.length} ended${estimate(results)}`)
    },
  })
  return results.map((result) => ({
    ...result,
    revocation: settled.get(result.id ?? '') ?? result.revocation,
  }))
}

/** When the last one can be completed, according to Curfew. */
function estimate(results: readonly Result[]): string {
  const times = results.flatMap(({ revocation }) => revocation?.estimatedCompletionAt ?? [])
  const last = times.sort().at(-1)
  return last === undefined ? '' : `, the last one at ${printable(last)} at the earliest`
}

function interrupted({ users, progressPath }: Input, { accepted }: Progress): CommandError {
  const sent = `Interrupted: Curfew has accepted ${accepted.size} of ${count(users.length, 'user')}, and continues with them.`
  const next =
    progressPath === null ? '' : ` Run the same command again to continue: ${progressPath} has the progress.`
  return new CommandError(`${sent}${next}`, EXIT.interrupted)
}
