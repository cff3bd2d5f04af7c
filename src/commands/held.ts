import { UsageError } from '../base/errors.ts'
import { confirm } from '../cli/confirm.ts'
import { connect } from '../cli/connection.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { count, print, printable, printJson } from '../cli/terminal.ts'
import { CurfewApiError, type CurfewClient, type Revocation } from '../client/client.ts'
import { changeMatching, type Filters, filtersOf, type MatchingOptions, requireFilters } from './matching.ts'

const SENDER_KINDS = ['api-key', 'webhook', 'source']
/** Limit of the service for one request. */
const IDS_PER_REQUEST = 1_000

interface Options extends Filters, MatchingOptions {
  sender?: string
  all?: boolean
}

/** The command `release`: queues held revocations, by id, by sender, or all that match filters. @throws UsageError */
export async function releaseCommand(ids: string[], options: Options): Promise<void> {
  await decide('release', ids, options)
}

/**
 * The command `cancel`: ends revocations by id, those that match filters, or held ones, before they revoke anything more. One
 * that cannot be cancelled does not keep the others from it. Sets the exit code 1 if there is one.
 * @throws UsageError
 */
export async function cancelCommand(ids: string[], options: Options): Promise<void> {
  const { force, sender, all, json, yes, profile } = options
  if (ids.length === 0 || sender !== undefined || all || filtersOf(options)) {
    if (force && !filtersOf(options)) throw new UsageError('--force applies to ids and filters.')
    return decide('cancel', ids, options)
  }
  requireFilters(options)
  const client = connect(profile)
  await confirm(`Cancel ${count(ids.length, 'revocation')}? Tokens that are not revoked yet are kept.`, {
    yes,
  })
  const cancelled: string[] = []
  const problems: { id: string; error: { code: string; message: string } }[] = []
  const lines: string[] = []
  try {
    for (const id of ids) {
      const problem = await cancelOne(client, id, force)
      if (problem === null) cancelled.push(id)
      else problems.push({ id, error: { code: problem.code, message: problem.message } })
      lines.push(problem === null ? `${id} is cancelled.` : `${id} is not cancelled. ${textOf(problem)}`)
    }
  } finally {
    if (problems.length > 0) process.exitCode = EXIT.no
    // At the end: if the reader of the output has gone, the command ends.
    if (!json) for (const line of lines) print(printable(line))
  }
  if (json) printJson({ cancelled, problems })
}

/** Null if it is cancelled; otherwise why it cannot be. @throws CurfewApiError if none can be */
async function cancelOne(
  client: CurfewClient,
  id: string,
  force: boolean | undefined,
): Promise<CurfewApiError | null> {
  try {
    await client.call<Revocation>('DELETE', `/revocations/${encodeURIComponent(id)}`, { query: { force } })
    return null
  } catch (error) {
    if (error instanceof CurfewApiError && isAboutOne(error)) return error
    throw error
  }
}

function textOf({ code, message, action }: CurfewApiError): string {
  return `${code}: ${message} ${action ?? ''}`.trimEnd()
}

/** Whether an error says nothing about the other revocations. */
function isAboutOne({ code }: CurfewApiError): boolean {
  return ['CURFEW_UNKNOWN_REVOCATION', 'CURFEW_NOT_CANCELLABLE', 'CURFEW_SEVERAL_SENDERS'].includes(code)
}

async function decide(action: 'release' | 'cancel', ids: string[], options: Options): Promise<void> {
  const { all, json, yes, profile } = options
  const filters = filtersOf(options)
  requireOneSelection(action, ids, options, filters)
  if (filters) return changeMatching(action, filters, options)
  requireFilters(options)
  const selections = selectionsOf(ids, options)
  const client = connect(profile)
  const scope = all
    ? 'everything that is held'
    : ids.length > 0
      ? count(ids.length, 'revocation')
      : `everything that is held from ${options.sender}`
  const effect =
    action === 'release' ? 'The tokens of these users are then revoked.' : 'Their tokens are kept.'
  await confirm(`${action === 'release' ? 'Release' : 'Cancel'} ${scope}? ${effect}`, { yes })
  const done = { changed: 0, joined: 0 }
  for (const selection of selections) {
    const result = await repeat(client, action, selection)
    done.changed += result.changed
    done.joined += result.joined
  }
  const name = action === 'release' ? 'released' : 'cancelled'
  if (json) return printJson({ [name]: done.changed, ...(action === 'release' && { joined: done.joined }) })
  const joined = done.joined > 0 ? `, ${done.joined} of them joined a queued one` : ''
  print(`${count(done.changed, 'revocation')} ${name}${joined}.`)
}

type Selection = { ids: string[] } | { sender: { kind: string; name: string; id?: string } } | { all: true }

function requireOneSelection(
  action: string,
  ids: string[],
  { sender, all }: Options,
  filters: Filters | null,
): void {
  const given = [ids.length > 0, sender !== undefined, all === true, filters !== null].filter(Boolean)
  if (given.length !== 1)
    throw new UsageError(
      `Name revocations, --sender, --all or filters: one of these.\n\nUsage: curfew ${action} [options] [id...]`,
    )
}

function selectionsOf(ids: string[], { sender, all }: Options): Selection[] {
  if (all) return [{ all: true }]
  if (sender !== undefined) {
    const [, kind = '', name = '', id] = /^([^:]*):(.+?)(?:#([\w-]+))?$/s.exec(sender) ?? []
    if (!SENDER_KINDS.includes(kind))
      throw new UsageError(`--sender: expected api-key:NAME, webhook:NAME or source:NAME.`)
    return [{ sender: { kind, name, ...(id && { id }) } }]
  }
  return Array.from({ length: Math.ceil(ids.length / IDS_PER_REQUEST) }, (_, index) => ({
    ids: ids.slice(index * IDS_PER_REQUEST, (index + 1) * IDS_PER_REQUEST),
  }))
}

/** One request selects a part of what is held: repeats it until nothing is left. */
async function repeat(client: CurfewClient, action: string, body: Selection) {
  let changed = 0
  let joined = 0
  for (;;) {
    const answer = await client.call<{
      released?: number
      cancelled?: number
      joined?: number
      more: boolean
    }>('POST', `/revocations/${action}`, { body })
    changed += answer.released ?? answer.cancelled ?? 0
    joined += answer.joined ?? 0
    if (!answer.more) return { changed, joined }
  }
}
