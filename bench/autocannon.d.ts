/** The part of the interface that the benches use; the package ships no types. */
declare module 'autocannon' {
  interface Request {
    body: string
    headers: Record<string, string>
  }

  interface Options {
    url: string
    method: 'POST'
    connections: number
    /** Total requests, spread over the connections. */
    amount: number
    /** Interval between checks for the end, in ms. */
    sampleInt: number
    /** Called once per connection, before its first request. */
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
