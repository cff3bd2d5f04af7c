import type { CraftedRequest } from './craft.ts'
import { type Explanation, explain, setErrorText } from './explain.ts'
import type { FakeTransmitter } from './transmitter.ts'

/** What Curfew answered, and why. The status is null if there was no answer, and for polls. */
export interface Delivery extends Explanation {
  url: string
  status: number | null
  answer: string
}

/** Longer than Curfew waits for another user's tokens or for an issuer's keys. */
const TIMEOUT_MS = 30_000

/** Sends a request to a source. Redirects are not followed. */
export async function post(
  { body, headers }: Pick<CraftedRequest, 'body' | 'headers'>,
  url: string,
  source: string,
): Promise<Delivery> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const response = await fetch(url, { method: 'POST', body, headers, redirect: 'manual', signal })
    const answer = await response.text()
    const { status } = response
    const retryAfter = response.headers.get('retry-after')
    return { url, status, answer, ...explain({ status, retryAfter, body: answer }, source) }
  } catch (error) {
    const { message, cause } = error instanceof Error ? error : new Error(String(error))
    const reason = cause instanceof Error ? cause.message : message
    const why = `There is no answer from ${url}: ${reason}`
    return { url, status: null, answer: '', outcome: 'unavailable', why }
  }
}

/** Offers a token to the polls of Curfew and waits until a poll acknowledges or rejects it. */
export async function offer(
  { jti, text }: { jti: string; text: string },
  transmitter: FakeTransmitter,
  {
    source,
    after,
    timeoutMs,
  }: {
    source: string
    after: (ms: number, callback: () => void) => () => void
    timeoutMs: number
  },
): Promise<Delivery> {
  const { promise: timeout, resolve: expire } = Promise.withResolvers<null>()
  const cancel = after(timeoutMs, () => expire(null))
  const wait = transmitter.reportOf(jti)
  transmitter.queue(jti, text)
  const report = await Promise.race([wait.report, timeout])
  cancel()
  wait.end()
  transmitter.withdraw(jti)
  const url = `${transmitter.issuer.url}/poll`
  if (report === null) {
    const why =
      `No poll has acknowledged or rejected the event within ${timeoutMs / 1000} s. ` +
      `If /health/ready has no check stream:${source}, add the entry to CONFIG_FILE and reload. ` +
      `An event with an unknown key waits until Curfew fetches keys again.`
    return { url, status: null, answer: '', outcome: 'unavailable', why }
  }
  const answer = JSON.stringify(report)
  if ('ack' in report) {
    const why = 'Curfew acknowledged the event with its next poll: the signal is stored.'
    return { url, status: null, answer, outcome: 'accepted', why }
  }
  return { url, status: null, answer, outcome: 'rejected', why: setErrorText(report.setErrs[jti]) }
}
