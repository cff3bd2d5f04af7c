import { randomUUID } from 'node:crypto'
import { caseOf, type FuzzConfiguration } from './cases.ts'
import { faultsOf } from './judge.ts'
import { type FuzzCase, INTRUDER } from './request.ts'
import { type Answer, Connection, sendRaw } from './send.ts'
import { searchDatabase } from './store.ts'
import { type MemoryReport, startTarget, type Target } from './target.ts'

const BATCH = 1_000
const CONCURRENT = 24
/** Faults after which the run ends. */
const MAX_FAULTS = 10
/** Memory in use is flat if the median of the last quarter exceeds that of the second by less. */
const MAX_GROWTH_MB = 8
/** Below this number of requests, caches still fill. */
const MIN_REQUESTS_FOR_MEMORY = 50_000

export interface FuzzOptions {
  seed: number
  requests: number
  /** The number of the first request. */
  from?: number
  report: (line: string) => void
  /** Called with each request and its responses. */
  onAnswered?: (one: FuzzCase, answers: readonly Answer[]) => void
}

export interface FuzzFault {
  /** Null if it does not belong to one request. */
  number: number | null
  text: string
}

export interface FuzzResult {
  faults: FuzzFault[]
  /** How many requests got each status. */
  statuses: Record<string, number>
  /** At the end of each batch. */
  memory: MemoryReport[]
  rows: Record<string, number>
  lines: Record<string, number>
}

/** Sends the requests of a seed to a service in its own process, and checks what it does. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const target = await startTarget()
  try {
    return await new Run(options, target).finish()
  } finally {
    await target.close()
  }
}

class Run {
  readonly #options: FuzzOptions
  readonly #target: Target
  readonly #faults: FuzzFault[] = []
  readonly #statuses = new Map<string, number>()
  readonly #memory: MemoryReport[] = []
  readonly #connections: Connection[]

  constructor(options: FuzzOptions, target: Target) {
    this.#options = options
    this.#target = target
    this.#connections = Array.from({ length: CONCURRENT }, () => new Connection(target.url))
  }

  async finish(): Promise<FuzzResult> {
    const { requests, from = 0, report } = this.#options
    for (let first = from; first < from + requests; first += BATCH) {
      await this.#batch(first, Math.min(BATCH, from + requests - first))
      const done = first + BATCH - from
      if (done % 10_000 === 0)
        report(
          `${done} requests, ${this.#memory.at(-1)?.usedMb.toFixed(1)} MB used, ${this.#faults.length} faults`,
        )
      if (this.#faults.length >= MAX_FAULTS || this.#target.exit() !== null) break
    }
    for (const connection of this.#connections) connection.close()
    this.#judgeMemory()
    const { database, lines, faults } = this.#target
    await this.#target.stop()
    for (const line of faults) this.#fault(null, `the log: ${line.slice(0, 4_000)}`)
    const { found, rows } = searchDatabase(database, INTRUDER)
    for (const place of found) this.#fault(null, `${place} contains what an unauthenticated request sent`)
    const statuses = Object.fromEntries([...this.#statuses].sort())
    return { faults: this.#faults, statuses, memory: this.#memory, rows, lines: Object.fromEntries(lines) }
  }

  /** Requests without valid credentials first: while they are sent, nothing may be accepted. */
  async #batch(first: number, count: number): Promise<void> {
    const { seed } = this.#options
    const numbers = Array.from({ length: count }, (_, index) => first + index)
    const all = await Promise.all(
      numbers.map(async (number) => ({ number, one: await caseOf(seed, number, this.#target) })),
    )
    const isRequest = (item: {
      number: number
      one: FuzzCase | FuzzConfiguration
    }): item is { number: number; one: FuzzCase } => item.one.kind !== 'configuration'
    const requests = all.filter(isRequest)
    const before = await this.#accepted()
    await this.#sendAll(requests.filter(({ one }) => !one.isAuthentic))
    const after = await this.#accepted()
    if (after !== before) this.#fault(null, `requests from ${first} on: ${after} instead of ${before}`)
    await this.#sendAll(requests.filter(({ one }) => one.isAuthentic))
    for (const { number, one } of all) if ('content' in one) await this.#configure(number, one.content)
    await this.#control()
    if (this.#target.exit() === null) this.#memory.push(await this.#target.memory())
    else this.#fault(null, `the process ended: ${this.#target.exit()}`)
  }

  async #sendAll(items: readonly { number: number; one: FuzzCase }[]): Promise<void> {
    const queue = items.values()
    await Promise.all(
      this.#connections.map(async (connection) => {
        for (const { number, one } of queue) await this.#send(connection, number, one)
      }),
    )
  }

  async #send(connection: Connection, number: number, one: FuzzCase): Promise<void> {
    const { bytes, isRaw, method } = one
    try {
      const answers = isRaw
        ? await sendRaw(this.#target.url, bytes, method)
        : [await connection.send(bytes, method)]
      this.#options.onAnswered?.(one, answers)
      for (const { status } of answers) this.#count(String(status))
      if (answers.length === 0) this.#count('none')
      for (const text of faultsOf(one, answers)) this.#fault(number, `${one.kind}: ${text}`)
    } catch (error) {
      this.#fault(number, `${one.kind}: ${error}`)
    }
  }

  /** Loads a configuration, which may be invalid, then the valid one again. */
  async #configure(number: number, content: string): Promise<void> {
    const { configure, configuration } = this.#target
    configure(content)
    const { status, body } = await this.#call('POST', '/config/reload')
    this.#count(`reload ${status}`)
    if (status !== 200 && status !== 422) this.#fault(number, `configuration: status ${status}: ${body}`)
    configure(JSON.stringify(configuration))
    const restored = await this.#call('POST', '/config/reload')
    if (restored.status !== 200) this.#fault(number, `configuration: not restored: ${restored.body}`)
  }

  /** A valid signal must be accepted: otherwise the other checks prove nothing. */
  async #control(): Promise<void> {
    const { status } = await this.#call(
      'POST',
      '/logout-hook',
      JSON.stringify({ userId: `control-${randomUUID()}` }),
    )
    if (status !== 202) this.#fault(null, `a valid signal got ${status}`)
  }

  /** Everything that was accepted so far, by the service's own count. */
  async #accepted(): Promise<string> {
    const { body } = await this.#call('GET', '/metrics')
    const counts = body.matchAll(/^curfew_signals_total\{.*result="(?:accepted|replayed|ignored)"\} (\d+)$/gm)
    const total = [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
    const { body: newest } = await this.#call('GET', '/revocations?limit=1')
    return `${total} signals, newest revocation ${/"id":"([^"]*)"/.exec(newest)?.[1] ?? 'none'}`
  }

  async #call(method: string, path: string, body = ''): Promise<Answer> {
    const [connection] = this.#connections
    if (!connection) throw new Error('There is no connection.')
    const headers = `authorization: Bearer ${this.#target.adminKey}\r\ncontent-type: application/json\r\n`
    const head = `${method} ${path} HTTP/1.1\r\nhost: curfew\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n`
    try {
      return await connection.send(Buffer.from(head + body), method)
    } catch (error) {
      return { status: 0, headers: {}, body: String(error) }
    }
  }

  #judgeMemory(): void {
    const quarter = Math.floor(this.#memory.length / 4)
    if (this.#memory.length * BATCH < MIN_REQUESTS_FOR_MEMORY) return
    const used = this.#memory.map(({ usedMb }) => usedMb)
    const early = medianOf(used.slice(quarter, 2 * quarter))
    const late = medianOf(used.slice(-quarter))
    if (late - early > MAX_GROWTH_MB)
      this.#fault(null, `memory grew from ${early.toFixed(1)} to ${late.toFixed(1)} MB`)
  }

  #count(status: string): void {
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1)
  }

  #fault(number: number | null, text: string): void {
    this.#faults.push({ number, text })
    const { seed, report } = this.#options
    const again =
      number === null ? '' : `; repeat it: npm run fuzz -- --seed ${seed} --from ${number} --requests 1`
    report(`FAULT ${number ?? ''} ${text}${again}`)
  }
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN
}
