// @ts-check
import { createHmac, randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'

const { CURFEW_URL = '', WEBHOOK_SECRET = '' } = process.env
if (!/^https?:/.test(CURFEW_URL)) throw new Error('Set CURFEW_URL, for example to https://curfew.internal.')
if (WEBHOOK_SECRET === '') throw new Error('Set WEBHOOK_SECRET to one of the WEBHOOK_SECRETS of Curfew.')
const LOGOUT_HOOK = `${CURFEW_URL.replace(/\/+$/, '')}/logout-hook`
const KEY = Buffer.from(WEBHOOK_SECRET.replace(/^whsec_/, ''), 'base64')

const FIRST_WAIT_MS = 250

/**
 * @typedef {{ userId?: string, subject?: string, email?: string }} User
 * Exactly one name: the Qlik user id, the identity provider's subject, or the e-mail address.
 *
 * @typedef {object} Options
 * @property {'logout' | 'session-expired' | 'security'} [reason]
 * @property {Date} [occurredAt] When the session ended, now by default. Access granted more than 5 s later is kept,
 *   except for `security`, which ends all access.
 * @property {string} [webhookId] A new one by default. Curfew remembers it for three days. The same id with the same
 *   user, reason and time is the same logout.
 * @property {number} [attempts] Maximum number of attempts.
 * @property {number} [attemptMs] Timeout of each attempt.
 * @property {number} [totalMs] Timeout of all attempts and the waits between them.
 *
 * @typedef {{ ok: true, revocationId: string, webhookId: string, attempts: number }} Accepted
 * @typedef {{ ok: false, code: string, webhookId: string, attempts: number }} Failed
 * The code is Curfew's (docs/errors.md), the network's (`ECONNREFUSED`, `TIMEOUT`, …), or `HTTP_` and the status if
 * the answer is not from Curfew.
 */

/**
 * Ends the user's access to Qlik Cloud. Returns once Curfew has stored the request; the revocation follows.
 *
 * Destroy the local session first, then call this function. It does not throw if Curfew is unreachable or rejects the
 * request: check `ok`, and alert on a failure, because the user then keeps access. The result has no personal data.
 *
 * Network errors, timeouts, 5xx and 429 are retried with the same body and the same `webhook-id`. Therefore a retry
 * after a lost answer is not a second logout, and a retry that arrives late does not end a later login.
 *
 * Retries are lost if the process is killed. An outbox makes them durable: in the transaction that ends the session,
 * insert a row with the user, `reason`, `occurredAt` and a `webhookId`. A worker calls this function with these values
 * until the result is `ok`, then deletes the row.
 *
 * @param {User} user
 * @param {Options} [options]
 * @returns {Promise<Accepted | Failed>}
 */
export async function endQlikAccess({ userId, subject, email }, options = {}) {
  const { reason = 'logout', occurredAt = new Date(), webhookId = `msg_${randomUUID()}` } = options
  const { attempts = 5, attemptMs = 3_000, totalMs = 15_000 } = options
  const body = JSON.stringify({ userId, subject, email, reason, occurredAt })
  const deadline = performance.now() + totalMs

  for (let attempt = 1; ; attempt += 1) {
    const timeoutMs = Math.min(attemptMs, deadline - performance.now())
    const answer = await send(webhookId, body, timeoutMs)
    if (answer.revocationId) {
      return { ok: true, revocationId: answer.revocationId, webhookId, attempts: attempt }
    }
    // Half of the backoff plus a random part of the other half, and at least as long as Curfew asks.
    const backoffMs = FIRST_WAIT_MS * 2 ** (attempt - 1) * (0.5 + Math.random() / 2)
    const waitMs = Math.max(backoffMs, answer.retryAfterMs)
    if (!answer.isTemporary || attempt === attempts || performance.now() + waitMs >= deadline) {
      return { ok: false, code: answer.code, webhookId, attempts: attempt }
    }
    await pause(waitMs)
  }
}

/**
 * One attempt, signed with the current time (Standard Webhooks). Curfew rejects signatures older than 5 minutes.
 *
 * @param {string} webhookId
 * @param {string} body
 * @param {number} timeoutMs
 */
async function send(webhookId, body, timeoutMs) {
  const timestamp = Math.floor(Date.now() / 1000)
  const signature = createHmac('sha256', KEY).update(`${webhookId}.${timestamp}.${body}`).digest('base64')
  try {
    const response = await fetch(LOGOUT_HOOK, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': webhookId,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': `v1,${signature}`,
      },
      body,
      // A followed redirect would turn the POST into a GET.
      redirect: 'manual',
      signal: AbortSignal.timeout(Math.max(0, Math.ceil(timeoutMs))),
    })
    const { id, code } = parse(await response.text())
    return {
      // A 2xx without an id is not from Curfew.
      revocationId: response.ok && typeof id === 'string' ? id : null,
      code: typeof code === 'string' ? code : `HTTP_${response.status}`,
      isTemporary: response.status >= 500 || response.status === 429,
      retryAfterMs: retryAfterMs(response.headers.get('retry-after')),
    }
  } catch (error) {
    return { revocationId: null, code: networkCode(error), isTemporary: true, retryAfterMs: 0 }
  }
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}

/** @param {string | null} header Seconds, or a date (RFC 9110, section 10.2.3). */
function retryAfterMs(header) {
  const seconds = Number(header)
  return (Number.isNaN(seconds) ? Date.parse(String(header)) - Date.now() : seconds * 1000) || 0
}

/** @param {any} error */
function networkCode(error) {
  if (error.name === 'TimeoutError') return 'TIMEOUT'
  return String(error.cause?.code ?? error.name)
}
