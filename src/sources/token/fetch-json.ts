import { Agent, request } from 'undici'
import { CurfewError } from '../../base/errors.ts'

/** Requests of senders wait for this fetch, and some senders give up after 2.5 s. */
const TIMEOUT_MS = 2_000
const LARGEST_RESPONSE_BYTES = 512 * 1024

/** Fetches a JSON document from a configured address. @throws CURFEW_FETCH_FAILED, or the error of the connection */
export type FetchJson = (url: string) => Promise<unknown>

/** Limits the time of every phase and the size. A redirect is an error because its target is not configured. */
export function createFetchJson(): { fetchJson: FetchJson; close: () => Promise<void> } {
  const agent = new Agent({
    connect: { timeout: TIMEOUT_MS },
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    maxResponseSize: LARGEST_RESPONSE_BYTES,
  })
  return {
    async fetchJson(url) {
      const { statusCode, body } = await request(url, {
        dispatcher: agent,
        headers: { accept: 'application/json', 'user-agent': 'curfew' },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      const text = await body.text()
      if (statusCode !== 200)
        throw new CurfewError('CURFEW_FETCH_FAILED', `The response has the status ${statusCode}.`)
      return JSON.parse(text)
    },
    close: () => agent.destroy(),
  }
}
