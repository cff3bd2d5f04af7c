import { Agent, request } from 'undici'
import type { Clock } from '../base/clock.ts'
import type { ErrorCode } from '../base/errors.ts'
import { addressIn, isAllowedAddress, networksOf } from '../base/public-addresses.ts'
import { retryAfterMs } from '../base/retry-after.ts'
import { signWebhook } from '../base/standard-webhooks.ts'
import type { ReceiverConfig } from '../revocation/notification.ts'
import { type LookupAll, publicLookup, RefusedAddress } from './public-lookup.ts'

/** Of an attempt, from the lookup to the end of the response. */
const TIMEOUT_MS = 15_000
/** The body of a response is read up to here, so that the connection can be used again, and dropped. */
const LARGEST_RESPONSE_BYTES = 16 * 1024
/** How long an unused connection stays open. */
const KEEP_ALIVE_MS = 10_000

export interface Message {
  /** The `webhook-id`: the same for each attempt. */
  id: string
  type: string
  /** When it happened, ms since the epoch. */
  at: number
  /** JSON. */
  data: string
}

/** What became of an attempt. */
export type Sent =
  | { ok: true; httpStatus: number }
  | {
      ok: false
      code: ErrorCode
      /** Null if there was no response. */
      httpStatus: number | null
      /** The wait that the receiver requests, in ms; 0 if it requests none. */
      askedMs: number
    }

/** Sends a message once. Never rejects. */
export type Send = (receiver: Pick<ReceiverConfig, 'url' | 'secrets'>, message: Message) => Promise<Sent>

export interface SenderOptions {
  clock: Pick<Clock, 'now' | 'after'>
  /** Addresses and networks that are not public and are allowed. */
  networks: readonly string[]
  /** Instead of the system's. */
  lookup?: LookupAll | undefined
}

/**
 * Posts signed messages (Standard Webhooks 1.0.0) to receivers. Connects only to public and allowed addresses, follows no
 * redirect, uses no proxy, and limits time and size.
 */
export function createSend({ clock, networks, lookup }: SenderOptions): {
  send: Send
  /** Sends nothing more. Attempts in flight go on. */
  close: () => Promise<void>
  /** Ends attempts in flight, too. */
  destroy: () => Promise<void>
} {
  const allowed = networksOf(networks)
  const agent = new Agent({
    // Closes what has not connected by then. `post` limits the whole attempt.
    connect: { lookup: publicLookup(allowed, lookup), timeout: TIMEOUT_MS },
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
  })

  async function post(url: string, headers: Record<string, string>, body: string): Promise<Sent> {
    const abort = new AbortController()
    const timeout = Promise.withResolvers<never>()
    const cancel = clock.after(TIMEOUT_MS, () => {
      timeout.reject(new AttemptTimeout())
      abort.abort()
    })
    try {
      // The signal has no effect before the connection is ready.
      const response = await Promise.race([
        request(url, { dispatcher: agent, method: 'POST', headers, body, signal: abort.signal }),
        timeout.promise,
      ])
      const sent = judge(response.statusCode, response.headers['retry-after'], clock.now())
      // The status decides, however the body ends.
      await response.body.dump({ limit: LARGEST_RESPONSE_BYTES, signal: abort.signal }).catch(() => {})
      return sent
    } catch (error) {
      return { ok: false, code: codeOf(error), httpStatus: null, askedMs: 0 }
    } finally {
      cancel()
    }
  }

  return {
    async send({ url, secrets }, { id, type, at, data }) {
      // An address is connected to without a lookup.
      const address = addressIn(url)
      if (address !== null && !isAllowedAddress(address, allowed))
        return { ok: false, code: 'CURFEW_RECEIVER_ADDRESS', httpStatus: null, askedMs: 0 }
      const timestamp = new Date(at).toISOString()
      const body = `{"type":${JSON.stringify(type)},"timestamp":"${timestamp}","data":${data}}`
      const signed = signWebhook({ secret: secrets, id, body, now: clock.now() })
      return post(url, { ...signed, 'content-type': 'application/json', 'user-agent': 'curfew' }, body)
    },
    close: () => agent.close(),
    destroy: () => agent.destroy(),
  }
}

class AttemptTimeout extends Error {}

function judge(httpStatus: number, retryAfter: string | string[] | undefined, now: number): Sent {
  if (httpStatus >= 200 && httpStatus < 300) return { ok: true, httpStatus }
  const header = typeof retryAfter === 'string' ? retryAfter : undefined
  return { ok: false, code: codeOfStatus(httpStatus), httpStatus, askedMs: retryAfterMs(header, now) ?? 0 }
}

function codeOfStatus(status: number): ErrorCode {
  if (status >= 300 && status < 400) return 'CURFEW_RECEIVER_REDIRECT'
  return status === 410 ? 'CURFEW_RECEIVER_GONE' : 'CURFEW_RECEIVER_STATUS'
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof AttemptTimeout) return 'CURFEW_RECEIVER_TIMEOUT'
  return error instanceof RefusedAddress ? 'CURFEW_RECEIVER_ADDRESS' : 'CURFEW_RECEIVER_UNREACHABLE'
}
