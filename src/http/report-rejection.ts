import type { Clock } from '../base/clock.ts'
import { CurfewError, ERRORS } from '../base/errors.ts'
import { LineLimiter } from '../base/line-limiter.ts'
import type { Log } from '../base/log.ts'
import { printableText } from '../base/printable.ts'
import { LONGEST_ADDRESS } from './client-address.ts'
import { addressKey } from './failed-attempts.ts'
import type { ConfiguredSender, LastRequests } from './last-requests.ts'
import { isFault } from './problems.ts'
import type { Rejection } from './rejections.ts'

/** Minimum time between two warnings about the same sender and reason. */
export const WARNING_EVERY_MS = 60_000
/** Warnings per minute about addresses, beyond one per source and reason. */
export const MAX_ADDRESSES = 200
/** More than configured senders cause. About 2 MB. */
const MAX_TOPICS = 10_000
/** The maximum length of the name of a source. */
const LONGEST_NAME = 63

export interface ReportOptions {
  clock: Pick<Clock, 'monotonic'>
  log: Pick<Log, 'warn'> & { debug(details: object, message: string): void }
  last: LastRequests
  count: (rejection: Rejection) => void
}

/**
 * Makes rejections visible: counts them, remembers the last one of each sender, and logs one warning a minute for each sender
 * and reason. Lines that are left out are written at the level `debug`.
 */
export function createReportRejection({
  clock,
  log,
  last,
  count,
}: ReportOptions): (rejection: Rejection) => void {
  const limiter = new LineLimiter({
    everyMs: WARNING_EVERY_MS,
    maxTopics: MAX_TOPICS,
    maxDetails: MAX_ADDRESSES,
    clock,
  })
  return (rejection) => {
    const { code, events, origin, error } = rejection
    const sender = senderOf(rejection)
    if (sender) last.rejected(sender, code, origin !== null)
    if (isVisible(rejection)) count(rejection)
    // Logged as an error.
    if (isFault(code)) return
    const leftOut = isVisible(rejection) ? limiter.note(...subjectOf(rejection)) : null
    const details = detailsOf(rejection)
    if (leftOut === null) return log.debug(details, 'a request or event was rejected')
    Object.assign(details, error.evidence?.(), leftOut > 0 ? { leftOut } : null)
    if (events === null) log.warn(details, 'a request was rejected')
    else if (rejection.pathSource) log.warn(details, 'source events rejected')
    else log.warn(details, 'users of a request rejected')
  }
}

/** Whether it is worth a warning: a rejected signal, or a failed authentication. */
function isVisible({ isSignal, code }: Rejection): boolean {
  return isSignal || [401, 403, 429].includes(ERRORS[code].status ?? 500)
}

/** The configured sender that it concerns, authenticated or not; null if unknown. */
function senderOf({ origin, invalidKey, pathSource }: Rejection): ConfiguredSender | null {
  if (origin) return origin
  if (invalidKey) return { kind: 'api-key', id: invalidKey.id }
  return pathSource?.isConfigured ? { kind: 'source', id: pathSource.name } : null
}

/** The topic and the detail for the limiter: the sender, or the address of an unknown one. */
function subjectOf({
  source,
  code,
  origin,
  invalidKey,
  pathSource,
  address,
}: Rejection): [string, string | null] {
  if (origin) return [`${source} ${code} ${origin.kind} ${origin.name}`, null]
  if (invalidKey) return [`${source} ${code} api-key ${invalidKey.name}`, null]
  const name = pathSource?.isConfigured === false ? pathSource.name.slice(0, LONGEST_NAME) : ''
  return [`${source} ${code}`, `${addressKey(address)} ${name}`]
}

/** The fields of the line. Nothing in them is a secret or names a user. */
function detailsOf({ error, code, ...rejection }: Rejection): object {
  const { requestId, source, route, address, origin, invalidKey, pathSource, events } = rejection
  const { cause } = error
  return {
    ...(requestId === null ? {} : { reqId: requestId }),
    source,
    ...(pathSource?.isConfigured === false ? { named: printableText(pathSource.name, LONGEST_NAME) } : {}),
    route,
    ...(address === null ? {} : { address: printableText(address, LONGEST_ADDRESS) }),
    ...(origin && origin.kind !== 'source' ? { sender: origin.name } : {}),
    ...(invalidKey ? { sender: invalidKey.name, validity: invalidKey.validity } : {}),
    code,
    problem: error.message,
    ...(code === 'CURFEW_TOO_MANY_FAILURES' && cause instanceof CurfewError ? { failure: cause.code } : {}),
    ...(events === null ? {} : pathSource ? { events } : { users: events }),
  }
}
