import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'

/** Opens a connection, which is closed at the end of the test. Its errors are ignored. */
export async function openConnection(t: Test, url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Sends these bytes over a new connection and returns everything received until it closes. */
export async function sendBytes(url: string, bytes: string | Buffer): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(bytes)
  return text(socket)
}

/** A request with exactly this path; `fetch` would normalize it. */
export async function sendRequest(
  url: string,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body = '',
): Promise<{ status: number; body: string }> {
  const all = {
    host: 'curfew',
    connection: 'close',
    'content-length': `${Buffer.byteLength(body)}`,
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  const answer = await sendBytes(url, `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
  const [head = '', content = ''] = answer.split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), body: content }
}
