/** The little of autocannon's programmatic interface that is used here; it brings no types of its own. */
declare module 'autocannon' {
  interface Request {
    body: string
    headers: Record<string, string>
  }

  interface Options {
    url: string
    method: 'POST'
    connections: number
    /** Requests in all, spread over the connections. */
    amount: number
    /** How often it looks whether all is done, in ms. */
    sampleInt: number
    /** Called once for each connection, before its first request. */
    setupClient: (client: { setRequests(requests: Request[]): void }) => void
  }

  export interface Result {
    '2xx': number
    non2xx: number
    errors: number
    timeouts: number
    latency: { p50: number; p99: number }
  }

  interface Run {
    on(event: 'start' | 'response', listener: () => void): Run
    on(event: 'done', listener: (result: Result) => void): Run
  }

  export default function autocannon(options: Options, done: (error: Error | null) => void): Run
}
