import { textOfUser } from '../../base/user-name.ts'
import { WAITS } from '../../base/waits.ts'
import { count, paint, printable } from '../../cli/terminal.ts'
import { comingText, timeText } from '../../cli/times.ts'
import { waitText } from '../../cli/waits.ts'
import type { Revocation, TimelineItem } from '../../client/client.ts'

/** A revocation in sentences: who requested it, what was done, what was kept, and what is proven or still to come. */
export function explain(
  revocation: Revocation,
  timeline: readonly TimelineItem[],
  now = Date.now(),
): string[] {
  const { id, user, tenant, status, verified } = revocation
  const state = status === 'completed' && verified ? 'completed and verified' : status
  const heading = printable(`${textOfUser(user)}, tenant ${tenant}: ${state} (${id})`)
  const events = timeline.flatMap((item) => sentenceOf(item) ?? [])
  const lines = [...events, ...counts(revocation), ...outlook(revocation, now)]
  return [paint('bold', heading), ...lines.map((line) => `  ${printable(line)}`)]
}

function sentenceOf(item: TimelineItem): string | null {
  const { at, event, by, address, details } = item
  const time = `${timeText(at)} `
  const sender = `${by ? `${by.kind} ${by.name}` : 'an unknown sender'}${address ? ` at ${address}` : ''}`
  switch (event) {
    case 'signal-accepted':
      return `${time}requested by ${sender}${reasonOf(item)}.`
    case 'signal-joined':
      return `${time}requested again by ${sender}${reasonOf(item)}.`
    case 'held':
      return `${time}requested by ${sender}${reasonOf(item)}, and held by the brake on mass revocation.`
    case 'released':
      return `${time}released by ${sender}.`
    case 'cancelled':
      return `${time}cancelled by ${sender}.`
    case 'retried':
      return `${time}retried by ${sender}.`
    case 'started':
      return `${time}the first attempt started.`
    case 'waited':
      return `${time}waited ${count(Math.round(Number(details.ms) / 1000), 'second')} for ${printable(WAITS[String(details.what)] ?? details.what)}.`
    case 'attempt-failed':
      return `${time}attempt ${printable(details.attempts)} failed${codeOf(details)}.`
    case 'tokens-revoked':
      return `${time}Qlik confirmed that ${count(tokensIn(details), 'token is', 'tokens are')} gone.`
    case 'revocation-ended':
      return `${time}${endOf(details)}.`
    case 'revocation-verified':
      return `${time}a listing proved that no token in scope is left.`
    case 'revocation-unverified':
      return `${time}no listing could prove that no token in scope is left${codeOf(details)}.`
    default:
      return null
  }
}

/** The source is a route, or the sender itself. */
function reasonOf({ by, details: { reason, source } }: TimelineItem): string {
  if (reason === undefined) return ''
  return `, reason ${reason}${by?.name === source ? '' : `, source ${source}`}`
}

function tokensIn({ tokens, omitted }: Record<string, unknown>): number {
  return Array.isArray(tokens) ? tokens.length : Number(omitted ?? 0)
}

function endOf({ status, outcome, error }: Record<string, unknown>): string {
  if (status === 'completed') return `completed: ${OUTCOMES[String(outcome)] ?? outcome}`
  return `${status}${codeOf({ error })}`
}

function codeOf({ error }: Record<string, unknown>): string {
  return error ? `: ${error}` : ''
}

const OUTCOMES: Record<string, string> = {
  revoked: 'tokens were revoked',
  'nothing-to-revoke': 'the user had no token in scope',
  'no-such-user': 'no user has this name in Qlik Cloud',
  'no-matching-user': 'no user has this name in Qlik Cloud',
  'none-visible': 'no token was found, but the OAuth client may not see those of other users',
}

function counts({ tokens, status }: Revocation): string[] {
  const { found, revoked, alreadyGone, kept, remaining } = tokens
  if (found === 0) return []
  const others = [
    alreadyGone > 0 ? `${alreadyGone} already gone` : null,
    kept > 0 ? `${kept} kept, because granted afterwards` : null,
    remaining > 0 || status === 'running' ? `${remaining} remaining` : null,
  ]
  const parts = [`${revoked} revoked`, ...others.filter((part) => part !== null)]
  return [`Of ${count(found, 'token')}: ${parts.join(', ')}.`]
}

/** Why it is not done yet, until when, and what to do. */
function outlook(revocation: Revocation, now: number): string[] {
  const { status, error, verified, verificationDueAt, estimatedCompletionAt, supersededBy } = revocation
  const { waitingFor, nextAttemptAt } = revocation
  const lines: string[] = []
  if (error && status !== 'completed') lines.push(`Last error: ${error.code}: ${error.detail}`)
  if (status === 'failed' && error) lines.push(`${error.action} Then: curfew retry ${revocation.id}`)
  if (supersededBy) lines.push(`Another revocation does its work: ${supersededBy}`)
  if (status === 'held') lines.push('It waits for an operator: curfew release, or curfew cancel.')
  if (status === 'queued' || status === 'running') {
    if (waitingFor) lines.push(waitText(waitingFor, now))
    else if (nextAttemptAt) lines.push(`Its next attempt is at ${comingText(nextAttemptAt, now)}.`)
    else if (status === 'queued') lines.push('It waits for its turn.')
    lines.push(
      `Estimated completion: ${estimatedCompletionAt ? comingText(estimatedCompletionAt, now) : 'unknown'}.`,
    )
  }
  if (status === 'completed' && !verified)
    lines.push(
      verificationDueAt
        ? `Not verified yet: the confirming listing is due at ${comingText(verificationDueAt, now)}.`
        : 'Not verified.',
    )
  return lines
}
