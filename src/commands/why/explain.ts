import { count, paint, printable } from '../../cli/terminal.ts'
import { textOfUser } from '../../cli/user.ts'
import type { Revocation } from '../../client/client.ts'

/** An item of `GET /revocations/{id}/timeline`. */
export interface TimelineItem {
  at: string
  event: string
  by: { kind: string; name: string } | null
  address: string | null
  details: Record<string, unknown>
}

/** A revocation in sentences: who requested it, what was done, what was kept, and what is proven or still to come. */
export function explain(revocation: Revocation, timeline: readonly TimelineItem[]): string[] {
  const { id, user, tenant, status, verified } = revocation
  const state = status === 'completed' && verified ? 'completed and verified' : status
  const heading = `${printable(textOfUser(user))}, tenant ${printable(tenant)}: ${state} (${id})`
  const events = timeline.flatMap((item) => sentenceOf(item) ?? [])
  return [paint('bold', heading), ...events, ...counts(revocation), ...outlook(revocation)].map(
    (line, index) => (index === 0 ? line : `  ${line}`),
  )
}

function sentenceOf({ at, event, by, address, details }: TimelineItem): string | null {
  const time = `${at.slice(0, 19).replace('T', ' ')}Z `
  const sender = `${by ? `${by.kind} ${printable(by.name)}` : 'an unknown sender'}${address ? ` at ${printable(address)}` : ''}`
  switch (event) {
    case 'signal-accepted':
      return `${time}requested by ${sender}${reasonOf(details)}.`
    case 'signal-joined':
      return `${time}requested again by ${sender}${reasonOf(details)}.`
    case 'held':
      return `${time}requested by ${sender}${reasonOf(details)}, and held by the brake on mass revocation.`
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

function reasonOf({ reason, source }: Record<string, unknown>): string {
  return reason === undefined ? '' : `, reason ${printable(reason)}, source ${printable(source)}`
}

function tokensIn({ tokens, omitted }: Record<string, unknown>): number {
  return Array.isArray(tokens) ? tokens.length : Number(omitted ?? 0)
}

function endOf({ status, outcome, error }: Record<string, unknown>): string {
  if (status === 'completed') return `completed: ${printable(OUTCOMES[String(outcome)] ?? outcome)}`
  return `${printable(status)}${codeOf({ error })}`
}

function codeOf({ error }: Record<string, unknown>): string {
  return error ? `: ${printable(error)}` : ''
}

const OUTCOMES: Record<string, string> = {
  revoked: 'tokens were revoked',
  'nothing-to-revoke': 'the user had no token in scope',
  'no-such-user': 'no user has this name in Qlik Cloud',
  'none-visible': 'no token was found, but the OAuth client may not see those of other users',
}

function counts({ tokens, status }: Revocation): string[] {
  const { found, revoked, alreadyGone, kept, remaining } = tokens
  if (found === 0) return []
  const parts = [
    `${revoked} revoked`,
    `${alreadyGone} already gone`,
    `${kept} kept, because granted afterwards`,
  ]
  const left = remaining > 0 || status === 'running' ? [`${remaining} remaining`] : []
  return [`Of ${count(found, 'token')}: ${[...parts, ...left].join(', ')}.`]
}

/** Why it is not done yet, until when, and what to do. */
function outlook(revocation: Revocation): string[] {
  const { status, error, verified, verificationDueAt, estimatedCompletionAt, supersededBy } = revocation
  const { waitingFor, nextAttemptAt } = revocation as {
    waitingFor?: Wait | null
    nextAttemptAt?: string | null
  }
  const lines: string[] = []
  if (error && status !== 'completed') lines.push(`Last error: ${error.code}: ${printable(error.detail)}`)
  if (status === 'failed' && error) lines.push(`${error.action} Then: curfew retry ${revocation.id}`)
  if (supersededBy) lines.push(`Another revocation does its work: ${supersededBy}`)
  if (status === 'held') lines.push('It waits for an operator: curfew release, or curfew cancel.')
  if (status === 'queued' || status === 'running') {
    if (waitingFor)
      lines.push(`Waits for ${WAITS[waitingFor.what] ?? waitingFor.what}${untilOf(waitingFor.until)}.`)
    else if (nextAttemptAt) lines.push(`Its next attempt is at ${nextAttemptAt}.`)
    else if (status === 'queued') lines.push('It waits for its turn.')
    lines.push(`Estimated completion: ${estimatedCompletionAt ?? 'unknown'}.`)
  }
  if (status === 'completed' && !verified)
    lines.push(
      verificationDueAt
        ? `Not verified yet: the confirming listing is due at ${verificationDueAt}.`
        : 'Not verified.',
    )
  return lines
}

interface Wait {
  what: string
  until: string | null
}

const WAITS: Record<string, string> = {
  'qlik-rate-limit': 'Qlik’s rate limit',
  budget: 'the rate limit, which is used up',
  'tenant-failing': 'the tenant, whose last attempts failed',
  'client-refused': 'the OAuth client, which Qlik refuses',
  'unknown-tenant': 'its tenant, which is not configured',
  'other-run': 'another run for the same user',
  listing: 'Qlik’s list to become stable',
}

function untilOf(until: string | null): string {
  return until ? `, until ${until}` : ''
}
