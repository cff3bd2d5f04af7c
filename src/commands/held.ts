import { UsageError } from '../base/errors.ts'
import { confirm } from '../cli/confirm.ts'
import { connect } from '../cli/connection.ts'
import { count, print, printJson } from '../cli/terminal.ts'
import type { CurfewClient } from '../client/client.ts'
import { decideById } from './decide-by-id.ts'
import {
  type DecisionOptions,
  decideMatching,
  type Filters,
  filtersOf,
  requireNoDryRun,
  summaryOf,
  WORDS,
} from './matching.ts'

const SENDER_KINDS = ['api-key', 'webhook', 'source']
/** Limit of the service for one request. */
const IDS_PER_REQUEST = 1_000

interface Options extends Filters, DecisionOptions {
  sender?: string
  all?: boolean
}

/** The command `release`: queues held revocations, by id, by sender, or all that match filters. @throws UsageError */
export async function releaseCommand(ids: string[], options: Options): Promise<void> {
  await decide('release', ids, options)
}

/**
 * The command `cancel`: ends revocations by id, those that match filters, or held ones, before they revoke anything more. If one
 * cannot be cancelled, the others still are. Sets the exit code 1 in that case.
 * @throws UsageError
 */
export async function cancelCommand(ids: string[], options: Options): Promise<void> {
  const { force, sender, all, yes } = options
  if (ids.length === 0 || sender !== undefined || all || filtersOf(options)) {
    if (force && !filtersOf(options)) throw new UsageError('--force applies to ids and filters.')
    return decide('cancel', ids, options)
  }
  requireNoDryRun(options)
  const { name, effect } = WORDS.cancel
  await confirm(`${name} ${count(ids.length, 'revocation')}?${effect}`, { yes })
  await decideById('cancel', ids, options)
}

async function decide(action: 'release' | 'cancel', ids: string[], options: Options): Promise<void> {
  const { all, json, yes, profile } = options
  const filters = filtersOf(options)
  requireOneSelection(action, ids, options, filters)
  if (filters) return decideMatching(action, filters, options)
  requireNoDryRun(options)
  const selections = selectionsOf(ids, options)
  const client = connect(profile)
  const scope = all
    ? 'everything that is held'
    : ids.length > 0
      ? count(ids.length, 'revocation')
      : `everything that is held from ${options.sender}`
  const { name, done, effect } = WORDS[action]
  await confirm(`${name} ${scope}?${effect}`, { yes })
  const total = { changed: 0, joined: 0 }
  for (const selection of selections) {
    const result = await repeat(client, action, selection)
    total.changed += result.changed
    total.joined += result.joined
  }
  if (json) {
    const joined = action === 'release' ? { joined: total.joined } : {}
    return printJson({ [done]: total.changed, ...joined })
  }
  print(summaryOf(total, done))
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
