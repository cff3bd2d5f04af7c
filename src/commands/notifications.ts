import { UsageError } from '../base/errors.ts'
import { confirm } from '../cli/confirm.ts'
import { connect } from '../cli/connection.ts'
import { count, jsonText, note, print, printable, printJson, table } from '../cli/terminal.ts'
import { timeText } from '../cli/times.ts'

interface Service {
  json?: boolean
  profile?: string
}

interface ListOptions extends Service {
  receiver?: string
  status?: string
  type?: string
  revocation?: string
  limit: number
}

interface Item {
  id: string
  receiver: string
  type: string
  at: string
  revocation: string | null
  status: string
  attempts: number
  code: string | null
  httpStatus: number | null
}

/** The command `notifications list`: newest first. With `--json`, one per line. */
export async function listCommand({ limit, json, profile, ...filters }: ListOptions): Promise<void> {
  const { receiver, status, type, revocation } = filters
  const query = { receiver, status, type, revocation, limit: Math.min(limit, 1_000) }
  let shown = 0
  for await (const item of connect(profile).pages<Item>('/notifications', query)) {
    if (shown === limit) {
      if (!json) note(`The first ${limit} notifications: --limit shows more.`)
      break
    }
    shown += 1
    print(json ? jsonText(item) : lineOf(item))
  }
  if (shown === 0 && !json) note('No notifications.')
}

function lineOf({ id, receiver, type, at, revocation, status, attempts, code, httpStatus }: Item): string {
  const failure = code && `${code}${httpStatus === null ? '' : ` (HTTP ${httpStatus})`}`
  const parts = [
    timeText(at),
    id,
    receiver,
    type,
    status,
    revocation,
    failure && `attempt ${attempts}: ${failure}`,
  ]
  return parts.filter(Boolean).map(printable).join('  ')
}

interface Receiver {
  name: string
  state: string
  pending: number
  failed: number
  oldestPendingAt: string | null
  lastDeliveredAt: string | null
  lastFailure: { at: string; code: string; httpStatus: number | null } | null
}

/** The command `notifications receivers`: the state of each, and what waits for it. */
export async function receiversCommand({ json, profile }: Service): Promise<void> {
  const answer = await connect(profile).call<{ items: Receiver[] }>('GET', '/receivers')
  if (json) return printJson(answer)
  if (answer.items.length === 0) return print('No receivers are configured.')
  const time = (at: string | null) => (at === null ? '–' : timeText(at))
  const rows = answer.items.map(({ name, state, pending, failed, lastFailure, ...receiver }) =>
    [
      ...[name, state, String(pending), time(receiver.oldestPendingAt), String(failed)],
      time(receiver.lastDeliveredAt),
      lastFailure ? `${timeText(lastFailure.at)} ${lastFailure.code}` : '–',
    ].map(printable),
  )
  const heading = ['RECEIVER', 'STATE', 'WAITING', 'OLDEST', 'FAILED', 'LAST DELIVERED', 'LAST FAILURE']
  for (const line of table([heading, ...rows])) print(line)
}

interface RedeliverOptions extends Service {
  receiver?: string
  since?: string
  dryRun?: boolean
  yes?: boolean
}

/** The command `notifications redeliver`: by id, or all that failed of a receiver. @throws UsageError */
export async function redeliverCommand(ids: string[], options: RedeliverOptions): Promise<void> {
  const { receiver, since, dryRun, yes, json, profile } = options
  if ((receiver === undefined) === (ids.length === 0))
    throw new UsageError(
      'Name notifications, or --receiver: one of the two.\n\nUsage: curfew notifications redeliver [options] [id...]',
    )
  const client = connect(profile)
  if (receiver === undefined) {
    if (since !== undefined || dryRun) throw new UsageError('--since and --dry-run apply to --receiver.')
    const items: Item[] = []
    for (const id of ids)
      items.push(await client.call('POST', `/notifications/${encodeURIComponent(id)}/redeliver`))
    return json
      ? printJson({ redelivered: items.length })
      : print(`${count(items.length, 'notification')} sent again.`)
  }
  const request = (isDry: boolean) =>
    client.call<{ redelivered: number; more: boolean }>('POST', '/notifications/redeliver', {
      query: { dryRun: String(isDry) },
      body: { receiver, since },
    })
  const { redelivered: found } = await request(true)
  if (dryRun || found === 0)
    return json
      ? printJson({ redelivered: dryRun ? found : 0, dryRun: dryRun === true })
      : print(`${count(found, 'failed notification')} of ${receiver}.`)
  await confirm(`Send ${count(found, 'failed notification')} to ${receiver} again?`, { yes })
  let redelivered = 0
  for (let more = true; more; ) {
    const answer = await request(false)
    redelivered += answer.redelivered
    more = answer.more
  }
  if (json) return printJson({ redelivered, dryRun: false })
  print(`${count(redelivered, 'notification')} sent again.`)
}

/** The command `notifications test`. Sets the exit code 1 if the message is not delivered. */
export async function testCommand(receiver: string, { json, profile }: Service): Promise<void> {
  const path = `/receivers/${encodeURIComponent(receiver)}/test`
  const answer = await connect(profile).call<{
    delivered: boolean
    httpStatus: number | null
    code: string | null
  }>('POST', path)
  const { delivered, httpStatus, code } = answer
  if (!delivered) process.exitCode = 1
  if (json) return printJson(answer)
  const status = httpStatus === null ? '' : ` (HTTP ${httpStatus})`
  print(delivered ? `Delivered${status}.` : `Not delivered: ${printable(code)}${status}.`)
}
