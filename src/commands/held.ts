import { UsageError } from '../base/errors.ts'
import { confirm } from '../cli/confirm.ts'
import { connect } from '../cli/connection.ts'
import { count, print, printJson } from '../cli/terminal.ts'
import type { CurfewClient, Revocation } from '../client/client.ts'
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
 * The command `cancel`: ends revocations by id, those that match filters, or held ones, before they revoke anything more.
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
  const cancelled: Revocation[] = []
  for (const id of ids) {
    const path = `/revocations/${encodeURIComponent(id)}`
    cancelled.push(await client.call<Revocation>('DELETE', path, { query: { force } }))
    if (!json) print(`${id} is cancelled.`)
  }
  if (json) printJson({ cancelled: cancelled.map(({ id }) => id) })
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
      : options.sender
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
