import { Agent, createServer, request } from 'node:http'
import type { Test } from 'tap'
import { listen } from './listen.ts'

const ASK_EVERY_MS = 100

/** A proxy for several replicas that respects their readiness and never sends a request twice. */
export interface LoadBalancer {
  url: string
  /** Adds a replica: checks its readiness and sends requests to it while it is ready. */
  add(replica: string): void
  /** How many replicas passed their latest check. */
  ready(): number
}

/** Starts a load balancer on loopback. It closes with the test. */
export async function startLoadBalancer(t: Test): Promise<LoadBalancer> {
  const readiness = new Map<string, boolean>()
  const agent = new Agent({ keepAlive: true })
  let turn = 0
  const server = createServer((incoming, answer) => {
    const replicas = [...readiness].filter(([, isReady]) => isReady).map(([replica]) => replica)
    turn += 1
    const replica = replicas[turn % replicas.length]
    if (!replica) return answer.writeHead(503).end('no replica is ready')
    const { method, url, headers } = incoming
    const outgoing = request(new URL(url ?? '/', replica), { method, headers, agent }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers)
      reply.pipe(answer)
    })
    outgoing.on('error', ({ message }) => answer.writeHead(502).end(message))
    incoming.pipe(outgoing)
  })
  const ask = async (replica: string) => {
    const isReady = await fetch(`${replica}/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
    readiness.set(replica, isReady)
  }
  const timer = setInterval(() => {
    for (const replica of readiness.keys()) ask(replica)
  }, ASK_EVERY_MS)
  const port = await listen(server)
  t.teardown(() => {
    clearInterval(timer)
    agent.destroy()
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${port}`,
    add: (replica) => void readiness.set(replica, false),
    ready: () => [...readiness.values()].filter(Boolean).length,
  }
}
