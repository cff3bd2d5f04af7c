import { z } from 'zod'

/** Curfew's answer to a request. */
export interface CurfewAnswer {
  status: number
  retryAfter: string | null
  body: string
}

export type Outcome = 'accepted' | 'rejected' | 'unavailable'

/** What an answer means. */
export interface Explanation {
  outcome: Outcome
  why: string
}

/** The error formats of the protocols: problems (RFC 9457), OAuth (RFC 6749), and security events (RFC 8935). */
const Problem = z.object({ code: z.string(), detail: z.string(), action: z.string() })
const OAuthError = z.object({ error: z.string(), error_description: z.string() })
const SetError = z.object({ err: z.string(), description: z.string() })

/** Explains an answer in one line. */
export function explain({ status, retryAfter, body }: CurfewAnswer, source: string): Explanation {
  if (status >= 200 && status < 300)
    return {
      outcome: 'accepted',
      why: 'Curfew stored the signal: see GET /revocations. An event that ends no session is only counted.',
    }
  const reason = reasonIn(body) ?? 'the answer has no reason'
  if (status >= 500)
    return {
      outcome: 'unavailable',
      why: `${reason}${retryAfter ? ` Send it again after ${retryAfter} s.` : ''}`,
    }
  const isUnknownSource = status === 404 && !reason.startsWith('unknown_user')
  const hint = isUnknownSource
    ? ` Curfew has no source ${source} of this kind: add its entry to CONFIG_FILE and reload.`
    : ''
  return { outcome: 'rejected', why: `${reason}${hint}` }
}

/** The reason in an error of a poll. */
export function setErrorText(error: unknown): string {
  return reasonOf(error) ?? 'the error has no reason'
}

function reasonIn(body: string): string | null {
  try {
    return reasonOf(JSON.parse(body))
  } catch {
    // Node answers without JSON, for example with 431.
    return null
  }
}

function reasonOf(value: unknown): string | null {
  const problem = Problem.safeParse(value).data
  if (problem) return `${problem.code}: ${problem.detail.replace(/\.$/, '')}. ${problem.action}`
  const oauth = OAuthError.safeParse(value).data
  if (oauth) return `${oauth.error}: ${oauth.error_description}`
  const set = SetError.safeParse(value).data
  return set ? `${set.err}: ${set.description}` : null
}
