import { connect, type Socket } from 'node:net'

export interface Answer {
  status: number
  headers: Record<string, string>
  body: string
}

/** A service that does not respond within this time hangs. Longer than any limit of the service. */
const HANGS_AFTER_MS = 60_000

/** The first response in these bytes; null if it is incomplete. Responses 1xx are skipped. */
export function parseAnswer(bytes: Buffer, method: string): { answer: Answer; length: number } | null {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return null
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1] ?? Number.NaN)
  const start = end + 4
  if (status < 200) {
    const next = parseAnswer(bytes.subarray(start), method)
    return next && { ...next, length: start + next.length }
  }
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const isEmpty = method === 'HEAD' || status === 204 || status === 304
  const length = isEmpty ? 0 : lengthOf(bytes, start, headers)
  if (length === null || bytes.length < start + length) return null
  const body = bytes.toString('utf8', start, start + length)
  return { answer: { status, headers, body }, length: start + length }
}

/** Curfew sends no chunked responses; Node does for some of its own. */
function lengthOf(bytes: Buffer, start: number, headers: Record<string, string>): number | null {
  if (headers['transfer-encoding'] !== 'chunked') return Number(headers['content-length'] ?? 0)
  const last = bytes.indexOf('0\r\n\r\n', start)
  return last < 0 ? null : last + 5 - start
}

/** A connection that is used again and again. */
export class Connection {
  readonly #url: URL
  #socket: Socket | null = null

  constructor(url: string) {
    this.#url = new URL(url)
  }

  /** Sends one request. @throws if the connection closes without a response, or the service hangs */
  async send(bytes: Buffer, method: string): Promise<Answer> {
    const isReused = this.#socket !== null && !this.#socket.destroyed
    try {
      return await this.#exchange(bytes, method)
    } catch (error) {
      // The service may have closed the connection since the last response.
      if (isReused && error instanceof ClosedError) return this.#exchange(bytes, method)
      throw error
    }
  }

  close(): void {
    this.#socket?.destroy()
  }

  #exchange(bytes: Buffer, method: string): Promise<Answer> {
    const socket = this.#socket?.destroyed === false ? this.#socket : openSocket(this.#url)
    this.#socket = socket
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      const finish = (isOpen: boolean, settle: () => void) => {
        clearTimeout(timer)
        socket.removeAllListeners('data').removeAllListeners('close')
        if (!isOpen) socket.destroy()
        settle()
      }
      const timer = setTimeout(() => finish(false, () => reject(new Error('no response'))), HANGS_AFTER_MS)
      socket.on('data', (chunk) => {
        timer.refresh()
        chunks.push(chunk)
        // An export has thousands of chunks.
        if (chunks.length > MANY_CHUNKS && !isEndOfChunked(chunks)) return
        const parsed = parseAnswer(Buffer.concat(chunks), method)
        if (!parsed) return
        const { answer } = parsed
        finish(answer.headers.connection !== 'close', () => resolve(answer))
      })
      socket.on('close', () => finish(false, () => reject(new ClosedError('closed without a response'))))
      socket.write(bytes)
    })
  }
}

/** More than any response with a Content-Length has. */
const MANY_CHUNKS = 200

function isEndOfChunked(chunks: readonly Buffer[]): boolean {
  return Buffer.concat(chunks.slice(-2)).subarray(-5).toString('latin1') === '0\r\n\r\n'
}

class ClosedError extends Error {}

/** Sends bytes on their own connection, and ends it. @returns every response until the service closes it */
export function sendRaw(url: string, bytes: Buffer, method: string): Promise<Answer[]> {
  const socket = openSocket(new URL(url))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error('the connection stays open after its end'))
    }, HANGS_AFTER_MS)
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(parseAll(Buffer.concat(chunks), method))
    })
    socket.end(bytes)
  })
}

/** The complete responses. The service may cut the last one off when it closes a connection. */
function parseAll(bytes: Buffer, method: string): Answer[] {
  const answers: Answer[] = []
  let rest = bytes
  for (let parsed = parseAnswer(rest, method); parsed; parsed = parseAnswer(rest, method)) {
    answers.push(parsed.answer)
    rest = rest.subarray(parsed.length)
  }
  return answers
}

function openSocket({ hostname, port }: URL): Socket {
  return connect(Number(port), hostname).on('error', () => {})
}
