import { UsageError } from '../base/errors.ts'
import { confirm } from '../cli/confirm.ts'
import { connect } from '../cli/connection.ts'
import { EXIT } from '../cli/exit-codes.ts'
import { type Report, withProgress } from '../cli/progress.ts'
import { count, note, print, printable, printJson } from '../cli/terminal.ts'
import type { CallOptions, ChangedRevocations, CurfewClient } from '../client/client.ts'

/** The filters of `GET /revocations`, which are options of the same names. */
const FILTERS = [
  ...['tenant', 'source', 'key', 'reason', 'code', 'outcome', 'status', 'userId', 'subject', 'email'],
  ...['batch', 'since', 'until'],
] as const

export type Filters = Partial<Record<(typeof FILTERS)[number], string>>

export interface DecisionOptions {
  dryRun?: boolean
  force?: boolean
  yes?: boolean
  json?: boolean
  profile?: string
}

export type Action = 'retry' | 'cancel' | 'release'

export const WORDS = {
  retry: { name: 'Retry', done: 'retried', effect: '' },
  cancel: { name: 'Cancel', done: 'cancelled', effect: ' Tokens that are not revoked yet are kept.' },
  release: { name: 'Release', done: 'released', effect: ' The tokens of these users are then revoked.' },
} as const satisfies Record<Action, { name: string; done: string; effect: string }>

/** The filters among the options of a command; null if there are none. */
export function filtersOf(options: Filters): Filters | null {
  const given = FILTERS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]))
  return given.length === 0 ? null : Object.fromEntries(given)
}

/** @throws UsageError for a dry run, which the service offers only for filters */
export function requireNoDryRun({ dryRun }: DecisionOptions): void {
  if (dryRun)
    throw new UsageError(
      '--dry-run needs a filter, such as --source. Omit it, or select revocations by filter.',
    )
}

/** Counts what matches, asks, and changes it. Sets the exit code 1 if one cannot be changed. */
export async function decideMatching(
  action: Action,
  matching: Filters,
  { dryRun, force, yes, json, profile }: DecisionOptions,
): Promise<void> {
  const client = connect(profile)
  const { name, done, effect } = WORDS[action]
  const request = { body: { matching }, query: { force: force || undefined } }
  const isQuiet = json === true
  const preview = await withProgress('Looking for revocations', isQuiet, (report) =>
    repeat(client, action, { ...request, query: { ...request.query, dryRun: true } }, report),
  )
  if (dryRun) return show(preview, { action, isQuiet, verb: `would be ${done}`, dryRun })
  if (preview.changed > 0) {
    if (!isQuiet && !yes) noteRefused(preview, done)
    await confirm(`${name} ${count(preview.changed, 'revocation')}?${effect}`, { yes })
  }
  // What arrived while the operator decided was not counted. By the service's clock, which can differ from this one.
  const onlyCounted = { ...request, body: { matching: { ...matching, until: matching.until ?? preview.at } } }
  const result =
    preview.changed === 0
      ? preview
      : await withProgress(name, isQuiet, (report) =>
          repeat(client, action, onlyCounted, (state) => report(`${state} of ${preview.changed}`)),
        )
  if (Object.keys(result.refused).length > 0) process.exitCode = EXIT.no
  show(result, { action, isQuiet, verb: done })
}

interface Total {
  /** When the first request was received. */
  at: string | undefined
  matched: number
  changed: number
  joined: number
  refused: Record<string, number>
  /** The first of them. */
  ids: string[]
}

/** One request changes a part of what matches: repeats it until nothing is left. */
async function repeat(
  client: CurfewClient,
  action: Action,
  { body, query }: Pick<CallOptions, 'body' | 'query'>,
  report: Report,
): Promise<Total> {
  const total: Total = { at: undefined, matched: 0, changed: 0, joined: 0, refused: {}, ids: [] }
  let cursor: string | undefined
  do {
    const answer: ChangedRevocations = await client.call('POST', `/revocations/${action}`, {
      body,
      query: { ...query, cursor },
    })
    total.at ??= answer.at
    total.matched += answer.matched
    total.changed += answer.retried ?? answer.cancelled ?? answer.released ?? 0
    total.joined += answer.joined ?? 0
    for (const [code, number] of Object.entries(answer.refused))
      total.refused[code] = (total.refused[code] ?? 0) + number
    if (total.ids.length === 0) total.ids = answer.ids
    report(String(total.changed))
    cursor = answer.nextCursor ?? undefined
  } while (cursor !== undefined)
  return total
}

function show(
  total: Total,
  {
    action,
    isQuiet,
    verb,
    dryRun = false,
  }: { action: Action; isQuiet: boolean; verb: string; dryRun?: boolean },
) {
  const { matched, changed, joined, refused, ids } = total
  const { done } = WORDS[action]
  if (isQuiet) {
    const joins = action === 'release' ? { joined } : {}
    return printJson({ dryRun, matched, [done]: changed, ...joins, refused, ids })
  }
  if (dryRun) for (const id of ids) print(printable(id))
  if (dryRun && changed > ids.length) print(`… and ${count(changed - ids.length, 'other')}`)
  print(summaryOf({ changed, joined }, verb))
  noteRefused(total, done)
}

/** How many revocations an action has changed, in a sentence. */
export function summaryOf({ changed, joined }: Pick<Total, 'changed' | 'joined'>, done: string): string {
  const joins = joined > 0 ? `, ${joined} of them joined a queued one` : ''
  return `${count(changed, 'revocation')} ${done}${joins}.`
}

function noteRefused({ refused }: Total, done: string): void {
  for (const [code, number] of Object.entries(refused))
    note(`${count(number, 'revocation')} cannot be ${done}: ${printable(code)}.`)
}
