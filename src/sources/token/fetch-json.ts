import { Agent, request } from 'undici'

/** Whoever waits for a key gives up after 2.5 s. */
const TIMEOUT_MS = 2_000
const LARGEST_ANSWER_BYTES = 512 * 1024

/** A JSON document from somewhere that is configured. */
export type FetchJson = (url: string) => Promise<unknown>

/** Why no document could be had; the code is for the log, which shows no texts of others. */
export class FetchError extends Error {
  readonly code: string

  constructor(code: string) {
    super(code)
    this.name = 'FetchError'
    this.code = code
  }
}

/** Fetches JSON, with every bound there is; a redirect is an error, since nobody configured where it leads. */
export function createFetchJson(): { fetchJson: FetchJson; close: () => Promise<void> } {
  const agent = new Agent({
    connect: { timeout: TIMEOUT_MS },
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    maxResponseSize: LARGEST_ANSWER_BYTES,
  })
  return {
    async fetchJson(url) {
      const { statusCode, body } = await request(url, {
        dispatcher: agent,
        headers: { accept: 'application/json', 'user-agent': 'curfew' },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      const text = await body.text()
      if (statusCode !== 200) throw new FetchError(`HTTP_${statusCode}`)
      return JSON.parse(text)
    },
    close: () => agent.destroy(),
  }
}
