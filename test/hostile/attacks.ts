import { connect, type Socket } from 'node:net'

/** What unauthenticated clients try, by name. Each keeps going until it is stopped. */
export interface Attack {
  name: string
  start(url: string): Promise<{ stop(): void }>
}

interface Hostile {
  connections: number
  /** Sent once connected. */
  bytes: string
  /** Sent each time the service has taken what was sent, if `repeats`; `bytes` by default. */
  repeated?: string
  repeats?: boolean
  /** Whether it reads responses. */
  reads?: boolean
}

/** Opens the connections, and a new one for each that the service closes. */
function hostile(
  name: string,
  { connections, bytes, repeated = bytes, repeats = false, reads = false }: Hostile,
): Attack {
  return {
    name,
    async start(url) {
      const { hostname, port } = new URL(url)
      const sockets = new Set<Socket>()
      let isStopped = false
      const open = () => {
        if (isStopped) return
        const socket = connect(Number(port), hostname)
        sockets.add(socket)
        if (!reads) socket.pause()
        const send = (more: string) => {
          if (!socket.destroyed) socket.write(more, () => repeats && setImmediate(send, repeated))
        }
        socket.on('connect', () => send(bytes)).on('error', () => {})
        if (reads) socket.resume()
        socket.on('close', () => {
          sockets.delete(socket)
          setImmediate(open)
        })
      }
      for (let index = 0; index < connections; index += 1) open()
      return {
        stop() {
          isStopped = true
          for (const socket of sockets) socket.destroy()
        },
      }
    },
  }
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: curfew\r\n\r\n`
const post = (path: string, headers: Record<string, string | number>, body: string) => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST ${path} HTTP/1.1\r\nhost: curfew\r\n${lines.join('')}\r\n${body}`
}

/** The path of a source whose webhooks are up to 1 MiB. */
const SOURCE = '/sources/auth0/webhook'
const MIB = 1024 * 1024
const SIGNATURE = `v1,${Buffer.alloc(32).toString('base64')}`

export function attacks(): Attack[] {
  const forged = {
    'content-type': 'application/json',
    'content-length': 64 * 1024,
    'webhook-id': 'msg_1',
    'webhook-timestamp': Math.floor(Date.now() / 1000),
    'webhook-signature': SIGNATURE,
  }
  const guess = post('/logout-hook', { authorization: `Bearer ${'k'.repeat(32)}`, 'content-length': 2 }, '{}')
  const endless = (path: string) =>
    post(path, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }, '')
  const loud = { repeats: true, reads: true }
  return [
    hostile('no attack', { connections: 0, bytes: '' }),
    hostile('8 connections pipeline GET /openapi.json and read nothing', {
      connections: 8,
      bytes: get('/openapi.json').repeat(1_500),
      repeats: true,
    }),
    hostile('8 connections pipeline the largest page of /docs and read nothing', {
      connections: 8,
      bytes: get('/docs/static/swagger-ui-bundle.js').repeat(16),
    }),
    hostile('200 pipelined GET /metrics', {
      connections: 1,
      bytes: get('/metrics').repeat(200),
      ...loud,
    }),
    hostile('16 connections request GET /metrics in pipelines of 10', {
      connections: 16,
      bytes: get('/metrics').repeat(10),
      ...loud,
    }),
    hostile('200 connections send 1 MiB to a source and do not finish', {
      connections: 200,
      bytes: post(SOURCE, { 'content-type': 'application/json', 'content-length': MIB }, 'x'.repeat(MIB - 1)),
    }),
    hostile('100 connections request a page and never read', {
      connections: 100,
      bytes: get('/docs/static/swagger-ui-bundle.js'),
    }),
    hostile('2,500 connections send nothing', { connections: 2_500, bytes: '' }),
    hostile('8 connections request files outside of /docs', {
      connections: 8,
      bytes: [
        get('/docs/static/%2e%2e/package.json'),
        get('/docs/static/%00'),
        get(`/docs/static/${'x'.repeat(300)}`),
      ].join(''),
      ...loud,
    }),
    hostile('8 connections send forged webhooks of 64 KiB', {
      connections: 8,
      bytes: post('/logout-hook', forged, 'x'.repeat(64 * 1024)),
      ...loud,
    }),
    hostile('8 connections guess API keys', { connections: 8, bytes: guess.repeat(8), ...loud }),
    hostile('1,000 connections guess API keys', { connections: 1_000, bytes: guess.repeat(8), ...loud }),
    hostile('1,000 connections request GET /metrics in pipelines of 16', {
      connections: 1_000,
      bytes: get('/metrics').repeat(16),
      ...loud,
    }),
    hostile('200 connections send bodies without end to an unknown route', {
      connections: 200,
      bytes: `${endless('/nothing')}10000\r\n${'x'.repeat(0x10000)}\r\n`,
      repeated: `10000\r\n${'x'.repeat(0x10000)}\r\n`.repeat(8),
      ...loud,
    }),
    hostile('200 connections send bodies in chunks of one byte', {
      connections: 200,
      bytes: endless(SOURCE),
      repeated: '1\r\nx\r\n'.repeat(20_000),
      ...loud,
    }),
    hostile('200 connections send 16 KiB of headers', {
      connections: 200,
      bytes: get('/health/live').replace('host', `${'x: y\r\n'.repeat(2_500)}host`),
      ...loud,
    }),
  ]
}
