import { createHash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { UsageError } from '../../base/errors.ts'
import { CommandError } from '../../cli/command-error.ts'
import { connect, readConnection } from '../../cli/connection.ts'
import { EXIT } from '../../cli/exit-codes.ts'
import { withProgress } from '../../cli/progress.ts'
import { count, note, print, printable, printJson } from '../../cli/terminal.ts'
import { kindOf, problemWith, textOfUser, userNamed } from '../../cli/user.ts'
import type { CurfewClient, Reason, Revocation, RevokedUsers, User } from '../../client/client.ts'
import { progressOf } from '../batch.ts'
import { dryRun } from './dry-run.ts'
import { openProgress, type Progress } from './progress-file.ts'
import { type BrokenLine, readUsersCsv } from './read-csv.ts'
import { waitForBatch } from './wait-for.ts'

/** Small enough that an interrupted run repeats little. */
const USERS_PER_REQUEST = 200
const MAX_BROKEN_SHOWN = 50
/** Limit of the service for a batch. */
const MAX_USERS = 100_000

export interface RevokeOptions {
  file?: string
  email?: boolean
  subject?: boolean
  reason: Reason
  scope?: 'issued-before' | 'all'
  tenant?: string
  dryRun?: boolean
  wait?: boolean
  skipInvalid?: boolean
  json?: boolean
  profile?: string
}

/** What happened to one user. */
interface Result {
  user: User
  id: string | null
  revocation: Revocation | null
  error: { code: string; detail: string } | null
}

/** The command `revoke`. Sets the exit code 1 if a revocation was rejected, failed or is held. */
export async function revokeCommand(names: string[], options: RevokeOptions): Promise<void> {
  const input = await readUsers(names, options)
  if (options.dryRun) return dryRun(connect(options.profile), input.users, options)
  const client = connect(options.profile)
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
      const sending = { ...options, progress, report, signal: interrupt.signal }
      const sent = await send(client, input.users, sending)
      return wait && !interrupt.signal.aborted ? settle(client, sent, sending) : sent
    })
    if (interrupt.signal.aborted) throw interrupted(input, progress)
    show(results, progress.run, options)
    progress.finish()
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
}

interface Input {
  users: User[]
  /** Null for users that are arguments. */
  progressPath: string | null
}

async function readUsers(names: string[], options: RevokeOptions): Promise<Input> {
  const kind = kindOf(options)
  const { file } = options
  if ((file === undefined) === (names.length === 0))
    throw new UsageError(
      'Name users, or a file with --file: one of the two.\n\nUsage: curfew revoke [options] [user...]',
    )
  if (file === undefined) {
    const mistake = names.map(problemWith).find((problem) => problem !== null)
    if (mistake) throw new UsageError(`Not a user: ${mistake}.`)
    return { users: names.map((name) => userNamed(name, kind)), progressPath: null }
  }
  const bytes = await contentOf(file)
  const { users, broken } = readUsersCsv(bytes, kind)
  if (broken.length > 0) reportBroken(file, broken, options)
  if (users.length === 0) throw new CommandError('The file names no users.', EXIT.data)
  if (users.length > MAX_USERS)
    throw new CommandError(
      `The file names ${count(users.length, 'user')}. Split it into files of up to ${count(MAX_USERS, 'user')}.`,
      EXIT.data,
    )
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 12)
  return { users, progressPath: file === '-' ? `curfew-revoke-${digest}.progress` : `${file}.progress` }
}

async function contentOf(file: string): Promise<Uint8Array> {
  if (file === '-') return buffer(process.stdin)
  try {
    return readFileSync(file)
  } catch (error) {
    throw new UsageError(`The file cannot be read: ${error instanceof Error ? error.message : error}.`)
  }
}

/** @throws CommandError unless `--skip-invalid` is given */
function reportBroken(file: string, broken: BrokenLine[], { skipInvalid, json }: RevokeOptions): void {
  const name = file === '-' ? 'standard input' : file
  const lines = broken.slice(0, MAX_BROKEN_SHOWN).map(({ line, problem }) => `${name}:${line}: ${problem}`)
  if (broken.length > MAX_BROKEN_SHOWN) lines.push(`… and ${broken.length - MAX_BROKEN_SHOWN} more`)
  const text = lines.join('\n')
  if (!skipInvalid)
    throw new CommandError(
      `${text}\nNothing was done. Correct ${count(broken.length, 'line')}, or skip them with --skip-invalid.`,
      EXIT.data,
    )
  if (!json) note(`${text}\nSkipped: ${count(broken.length, 'line')}.`)
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

function show(results: readonly Result[], batch: string, { json, wait }: RevokeOptions) {
  const isBad = ({ revocation, error }: Result) =>
    error !== null || (revocation !== null && ['failed', 'cancelled', 'held'].includes(revocation.status))
  const bad = results.filter(isBad)
  if (bad.length > 0) process.exitCode = EXIT.no
  if (json)
    return printJson({
      batch,
      accepted: results.length - results.filter(({ error }) => error !== null).length,
      problems: bad.length,
      items: results.map(({ user, id, revocation, error }) => ({
        user,
        revocationId: id,
        status: revocation?.status ?? null,
        outcome: revocation?.outcome ?? null,
        verified: revocation?.verified ?? null,
        error: error ?? revocation?.error ?? null,
      })),
    })
  for (const result of results) print(`${printable(textOfUser(result.user))}  ${describe(result)}`)
  const verb = wait ? 'ended' : 'accepted'
  print(`${count(results.length - bad.length, 'revocation')} ${verb}, ${count(bad.length, 'problem')}.`)
  if (bad.some(({ revocation }) => revocation?.status === 'held'))
    print('The brake on mass revocation holds some of them. To continue: curfew release --all')
  print(`Batch: ${batch}`)
}

function describe({ id, revocation, error }: Result): string {
  if (error) return `rejected  ${error.code}: ${printable(error.detail)}`
  if (!revocation) return `accepted  ${id}`
  const { status, outcome, verified, error: failure, tokens } = revocation
  if (failure && status === 'failed') return `failed  ${failure.code}: ${printable(failure.action)}  ${id}`
  const proof = status === 'completed' ? (verified ? ', verified' : ', not verified') : ''
  const revoked = status === 'completed' ? ` (${count(tokens.revoked, 'token')} revoked)` : ''
  return `${[status, outcome].filter((part) => part !== null).join(', ')}${proof}${revoked}  ${id}`
}
