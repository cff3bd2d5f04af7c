import { Agent, request } from 'undici'
import type { Clock } from '../../../base/clock.ts'

const TIMEOUT_MS = 10_000
/** How long a transmitter may hold a poll until there is an event (RFC 8936, section 2.4). Then Curfew polls again. */
const LONG_POLL_MS = 90_000
const LARGEST_RESPONSE_BYTES = 1024 * 1024
/** Several hundred tokens of 16 KiB, because not all transmitters respect the requested maximum. */
const LARGEST_POLL_BYTES = 8 * LARGEST_RESPONSE_BYTES
const FORM = 'application/x-www-form-urlencoded'

export interface TransmitterRequest {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  url: string
  /** The Authorization header. */
  authorization: string
  /** Sent as JSON. */
  body?: unknown
  /** Sent as a form, instead of a body. */
  form?: Record<string, string>
  isLongPoll?: boolean
  signal: AbortSignal
}

export interface TransmitterResponse {
  status: number
  /** The parsed body; undefined if it is empty. @throws SyntaxError if it is not JSON */
  json: () => unknown
  retryAfter: string | null
}

/** Sends one request to a transmitter or its token endpoint, with limited time and size. Redirects are not followed. */
export type SendToTransmitter = (request: TransmitterRequest) => Promise<TransmitterResponse>

/** The transmitter held a poll for longer than Curfew waits. */
export class PollTimeout extends Error {}

export function createSendToTransmitter(clock: Pick<Clock, 'after'>): {
  send: SendToTransmitter
  close: () => Promise<void>
} {
  const agent = newAgent(TIMEOUT_MS, LARGEST_RESPONSE_BYTES)
  // Some transmitters send headers at once and hold the body.
  const polls = newAgent(LONG_POLL_MS + TIMEOUT_MS, LARGEST_POLL_BYTES)
  return {
    async send({ method, url, authorization, body, form, isLongPoll = false, signal }) {
      const content = form ? new URLSearchParams(form).toString() : (JSON.stringify(body) ?? null)
      const timeout = isLongPoll ? pollTimeout(clock) : { signal: AbortSignal.timeout(TIMEOUT_MS) }
      try {
        const response = await request(url, {
          dispatcher: isLongPoll ? polls : agent,
          method,
          headers: {
            accept: 'application/json',
            authorization,
            'user-agent': 'curfew',
            ...(content === null ? {} : { 'content-type': form ? FORM : 'application/json' }),
          },
          body: content,
          signal: AbortSignal.any([signal, timeout.signal]),
        })
        const text = await response.body.text()
        const retryAfter = response.headers['retry-after']
        return {
          status: response.statusCode,
          json: () => (text === '' ? undefined : JSON.parse(text)),
          retryAfter: typeof retryAfter === 'string' ? retryAfter : null,
        }
      } catch (error) {
        throw !signal.aborted && timeout.signal.reason instanceof PollTimeout ? timeout.signal.reason : error
      } finally {
        timeout.cancel?.()
      }
    },
    close: async () => void (await Promise.all([agent.destroy(), polls.destroy()])),
  }
}

function newAgent(timeoutMs: number, maxResponseSize: number): Agent {
  return new Agent({
    connect: { timeout: TIMEOUT_MS },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxResponseSize,
  })
}

function pollTimeout(clock: Pick<Clock, 'after'>): { signal: AbortSignal; cancel?: () => void } {
  const abort = new AbortController()
  const cancel = clock.after(LONG_POLL_MS, () => abort.abort(new PollTimeout()))
  return { signal: abort.signal, cancel }
}
