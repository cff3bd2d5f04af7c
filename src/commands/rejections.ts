import { ERRORS, isErrorCode } from '../base/errors.ts'
import { connect } from '../cli/connection.ts'
import { count, note, print, printable, printJson, table } from '../cli/terminal.ts'
import { timeText } from '../cli/times.ts'
import { metricsOf, type Readiness, readinessOf, type Sender } from './service-state.ts'

interface Options {
  json?: boolean
  profile?: string
}

/** A sender whose requests are rejected, or were since the replica's start. */
interface RejectedSender extends Pick<Sender, 'name' | 'lastAcceptedAt' | 'lastRejected'> {
  kind: string
}

/** Rejections for the same reason since the replica's start. */
interface Reason {
  source: string
  code: string
  count: number
}

/** The command `rejections`: which senders were rejected and when, and how often each reason occurred. */
export async function rejectionsCommand({ json, profile }: Options): Promise<void> {
  const client = connect(profile)
  const [readiness, metrics] = await Promise.all([readinessOf(client), metricsOf(client)])
  const senders = rejectedSenders(readiness)
  const reasons = metrics
    .filter(({ name, value }) => name === 'curfew_rejections_total' && value > 0)
    .map(({ labels, value }): Reason => {
      const { source = '', reason = '' } = labels
      return { source, code: reason, count: value }
    })
    .sort((one, other) => other.count - one.count)
  if (json) return printJson({ senders, reasons })
  if (readiness.sources === undefined) note('Without the role operate, the senders are not shown.')
  if (senders.length + reasons.length === 0)
    return print('Nothing was rejected since the start of this replica.')
  for (const line of [...senderLines(senders), ...reasons.flatMap(reasonLines)]) print(line)
  print('The warning "a request was rejected" in the log names the address of the client.')
}

/** The one that was rejected last is the first. */
function rejectedSenders({ apiKeys = [], webhookSecrets = [], sources = [] }: Readiness): RejectedSender[] {
  const of = (kind: string, senders: readonly Sender[]) =>
    senders.map(({ name, lastAcceptedAt, lastRejected }) => ({ kind, name, lastAcceptedAt, lastRejected }))
  const all = [...of('api-key', apiKeys), ...of('webhook', webhookSecrets), ...of('source', sources)]
  const at = ({ lastRejected }: RejectedSender) => lastRejected?.at ?? ''
  return all
    .filter(({ lastRejected }) => lastRejected !== null)
    .sort((one, other) => at(other).localeCompare(at(one)))
}

function senderLines(senders: readonly RejectedSender[]): string[] {
  if (senders.length === 0) return []
  const rows = senders.map(({ kind, name, lastAcceptedAt, lastRejected }) => [
    printable(`${kind} ${name}`),
    printable(lastRejected ? timeText(lastRejected.at) : ''),
    printable(lastRejected?.code),
    lastRejected?.authenticated ? 'yes' : 'no',
    printable(lastAcceptedAt ? timeText(lastAcceptedAt) : 'none'),
  ])
  return [...table([['SENDER', 'LAST REJECTED', 'CODE', 'AUTHENTICATED', 'LAST ACCEPTED'], ...rows]), '']
}

/** How often, why, and what to do. */
function reasonLines({ source, code, count: times }: Reason): string[] {
  const known = isErrorCode(code) ? ERRORS[code] : null
  const first = `${count(times, 'rejection')} at ${printable(source)}: ${printable(code)}`
  return known ? [`${first}: ${known.title}.`, `    ${known.action}`] : [first]
}
