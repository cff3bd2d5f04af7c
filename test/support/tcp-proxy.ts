import { connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import { listen } from './listen.ts'

/** How to cut a connection that sends certain texts to the server. */
type Cut =
  /** Reset before the server receives the last text. */
  | 'before'
  /** Reset when the server answers; the client never receives the answer. */
  | 'after'
  /** Forwards nothing from the last text on; neither side notices. */
  | 'silently'

/** The network to a local server, which a test can break. */
export interface TcpProxy {
  /** The same URL through the proxy. */
  through(url: string): string
  /** Restores the network and forwards what was held. */
  pass(): void
  /** Accepts connections but forwards nothing; neither side notices. */
  hold(): void
  /** Resets all connections, including new ones. */
  reset(): void
  /** Cuts the first connection that sends all these texts, at the last of them. Resolves when it is cut. */
  cutAt(texts: string[], cut: Cut): Promise<void>
}

interface Link {
  sockets: [Socket, Socket]
  isHeld: boolean
  /** How many of the wanted texts it has sent. */
  seen: number
}

/** Starts a proxy for a local port. It closes with the test. */
export async function startTcpProxy(t: Test, serverPort: number): Promise<TcpProxy> {
  const links = new Set<Link>()
  let mode: 'pass' | 'hold' | 'reset' = 'pass'
  let wanted: { texts: string[]; cut: Cut; done: () => void } | null = null

  const reset = ({ sockets }: Link) => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  const hold = (link: Link) => {
    link.isHeld = true
    for (const socket of link.sockets) socket.pause()
  }

  const server = createServer((client) => {
    const upstream = connect(serverPort, '127.0.0.1')
    const link: Link = { sockets: [client, upstream], isHeld: mode === 'hold', seen: 0 }
    links.add(link)
    let onAnswer: (() => void) | null = null
    for (const socket of link.sockets) {
      const other = socket === client ? upstream : client
      // Unread data, and the end of a connection, stay in the system's buffers: neither side notices.
      if (link.isHeld) socket.pause()
      socket.on('error', () => {})
      socket.on('close', () => {
        links.delete(link)
        if (!link.isHeld) other.destroy()
      })
      socket.on('data', (bytes) => {
        if (socket === upstream && onAnswer) return onAnswer()
        if (socket === client && wanted && bytes.includes(wanted.texts[link.seen] ?? '')) link.seen += 1
        if (wanted && link.seen === wanted.texts.length) {
          const { cut, done } = wanted
          wanted = null
          const now = () => {
            if (cut === 'silently') hold(link)
            else reset(link)
            done()
          }
          if (cut !== 'after') return now()
          onAnswer = now
        }
        other.write(bytes)
      })
    }
    if (mode === 'reset') reset(link)
  })
  const port = await listen(server)
  t.teardown(() => {
    server.close()
    for (const link of links) reset(link)
  })

  return {
    through(url) {
      const changed = new URL(url)
      changed.port = String(port)
      return changed.href
    },
    pass() {
      mode = 'pass'
      for (const link of links) {
        link.isHeld = false
        for (const socket of link.sockets) socket.resume()
      }
    },
    hold() {
      mode = 'hold'
      for (const link of links) hold(link)
    },
    reset() {
      mode = 'reset'
      for (const link of links) reset(link)
    },
    cutAt(texts, cut) {
      return new Promise((done) => {
        wanted = { texts, cut, done }
      })
    },
  }
}
