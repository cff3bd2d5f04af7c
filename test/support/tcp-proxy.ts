import { connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import { listen } from './listen.ts'

/** What becomes of a connection on which certain texts are sent to the server. */
type Cut =
  /** It is reset, and the server never sees the last text. */
  | 'before'
  /** It is reset when the server answers, and nobody sees the answer. */
  | 'after'
  /** Nothing passes on it any more, the last text included, and nobody is told. */
  | 'silently'

/** A network before a server on this machine, which a test may break. */
export interface TcpProxy {
  /** The same address, by way of the proxy. */
  through(url: string): string
  /** All is well from now on. What was held goes on its way. */
  pass(): void
  /** From now on connections are taken, but nothing passes; neither side is told. */
  hold(): void
  /** Resets all connections, and new ones from now on. */
  reset(): void
  /** Cuts the first connection on which these texts are sent, at the last of them; resolves when that has happened. */
  cutAt(texts: string[], cut: Cut): Promise<void>
}

interface Link {
  sockets: [Socket, Socket]
  isHeld: boolean
  /** How many of the wanted texts were sent on it. */
  seen: number
}

/** A proxy before a port of this machine; it ends with the test. */
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
      // What is not read stays in the buffers of the system, and so does the end of a connection: nobody is told.
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
