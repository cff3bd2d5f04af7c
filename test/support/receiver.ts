import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import type { Test } from 'tap'
import { RECEIVER_SECRET } from './receivers.ts'

/** A request that a receiver got. */
export interface Delivered {
  headers: IncomingHttpHeaders
  text: string
  // Messages have several shapes.
  // biome-ignore lint/suspicious/noExplicitAny: a test's view of JSON
  message: any
}

/** A real receiver on loopback, which verifies signatures with the library of Standard Webhooks. */
export interface Receiver {
  url: string
  port: number
  requests: Delivered[]
  /** Answers requests from now on; by default with 204. */
  answer: (response: ServerResponse, request: Delivered) => void
  /** Resolves once it has got this many requests in total. */
  got(count: number): Promise<readonly Delivered[]>
}

export async function startReceiver(t: Test, host = '127.0.0.1', at = 0): Promise<Receiver> {
  const requests: Delivered[] = []
  let waiters: (() => void)[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const delivered = { headers: request.headers, text, message: JSON.parse(text) }
    requests.push(delivered)
    receiver.answer(response, delivered)
    for (const waiter of waiters.splice(0)) waiter()
  })
  server.listen(at, host)
  await once(server, 'listening')
  t.teardown(() => {
    waiters = []
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const receiver: Receiver = {
    url: `http://${host}:${port}/hook`,
    port,
    requests,
    answer: (response) => void response.writeHead(204).end(),
    async got(count) {
      while (requests.length < count) await new Promise<void>((resolve) => waiters.push(resolve))
      return requests
    },
  }
  return receiver
}

/** The message in a request, if its signature is valid. @throws if it is not, or if it is older than five minutes */
export function verified({ headers, text }: Delivered, secret = RECEIVER_SECRET): unknown {
  return new Webhook(secret).verify(text, headers as Record<string, string>)
}
