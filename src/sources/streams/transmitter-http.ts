import { Agent, request } from 'undici'

const TIMEOUT_MS = 10_000
/** A transmitter may hold a poll for so long until there is an event (RFC 8936, section 2.4). */
const LONG_POLL_MS = 90_000
/** Some dozens of tokens of 16 KiB. */
const LARGEST_ANSWER_BYTES = 1024 * 1024
const FORM = 'application/x-www-form-urlencoded'

export interface TransmitterRequest {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  url: string
  /** The header. */
  authorization: string
  /** Goes as JSON. */
  body?: unknown
  /** Goes as a form, in place of a body. */
  form?: Record<string, string>
  isLongPoll?: boolean
  signal: AbortSignal
}

export interface TransmitterAnswer {
  status: number
  /** The parsed body; undefined where there is none. */
  json: unknown
  retryAfter: string | null
}

/** One request to a transmitter or its token endpoint, with every bound there is; redirects are not followed. */
export type SendToTransmitter = (request: TransmitterRequest) => Promise<TransmitterAnswer>

export function createSendToTransmitter(): { send: SendToTransmitter; close: () => Promise<void> } {
  const agent = new Agent({
    connect: { timeout: TIMEOUT_MS },
    headersTimeout: LONG_POLL_MS + TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    maxResponseSize: LARGEST_ANSWER_BYTES,
  })
  return {
    async send({ method, url, authorization, body, form, isLongPoll = false, signal }) {
      const content = form ? new URLSearchParams(form).toString() : (JSON.stringify(body) ?? null)
      const timeout = AbortSignal.timeout(isLongPoll ? LONG_POLL_MS : TIMEOUT_MS)
      const answer = await request(url, {
        dispatcher: agent,
        method,
        headers: {
          accept: 'application/json',
          authorization,
          'user-agent': 'curfew',
          ...(content === null ? {} : { 'content-type': form ? FORM : 'application/json' }),
        },
        body: content,
        signal: AbortSignal.any([signal, timeout]),
      })
      const text = await answer.body.text()
      const retryAfter = answer.headers['retry-after']
      return {
        status: answer.statusCode,
        // An error may come with a page for people.
        json: text === '' || answer.statusCode >= 300 ? undefined : JSON.parse(text),
        retryAfter: typeof retryAfter === 'string' ? retryAfter : null,
      }
    },
    close: () => agent.destroy(),
  }
}
