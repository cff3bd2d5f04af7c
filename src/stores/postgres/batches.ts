import { CurfewError } from '../../base/errors.ts'

interface Item<Request, Answer> {
  request: Request
  resolve: (answer: Answer) => void
  reject: (error: unknown) => void
}

export interface BatchesOptions<Request, Answer> {
  /** Processes a batch. Returns the answers in the order of the requests. */
  run: (requests: readonly Request[]) => Promise<Answer[]>
  /** Maximum number of concurrent batches. */
  concurrency: number
  /** Maximum number of requests in a batch. */
  largest: number
  /** Whether a request can be added to a batch. By default always. */
  fits?: (request: Request, batch: readonly Request[]) => boolean
}

/**
 * Collects requests while the database is busy and processes them together: a transaction costs about the same for one
 * request as for a hundred. If a batch fails, its requests run again individually, so that only the faulty one fails.
 */
export class Batches<Request, Answer> {
  readonly #options: BatchesOptions<Request, Answer>
  #pending: Item<Request, Answer>[] = []
  #underWay = 0
  #isScheduled = false

  constructor(options: BatchesOptions<Request, Answer>) {
    this.#options = options
  }

  ask(request: Request): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    this.#pending.push({ request, resolve, reject })
    this.#runSoon()
    return promise
  }

  /** Waits for the end of this turn of the event loop, so that all its requests share a batch. */
  #runSoon(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#runNext()
    })
  }

  #runNext(): void {
    while (this.#pending.length > 0 && this.#underWay < this.#options.concurrency) {
      const batch = this.#take()
      this.#underWay += 1
      this.#run(batch).finally(() => {
        this.#underWay -= 1
        this.#runNext()
      })
    }
  }

  #take(): Item<Request, Answer>[] {
    const { largest, fits = () => true } = this.#options
    const batch: Item<Request, Answer>[] = []
    const left: Item<Request, Answer>[] = []
    const requests: Request[] = []
    for (const item of this.#pending) {
      if (batch.length < largest && fits(item.request, requests)) {
        batch.push(item)
        requests.push(item.request)
      } else left.push(item)
    }
    this.#pending = left
    return batch
  }

  async #run(batch: Item<Request, Answer>[]): Promise<void> {
    try {
      const answers = await this.#options.run(batch.map(({ request }) => request))
      for (const [index, { resolve, reject }] of batch.entries()) {
        const answer = answers[index]
        if (answer === undefined) reject(new Error('A batch returned fewer answers than requests.'))
        else resolve(answer)
      }
    } catch (error) {
      const isDown = error instanceof CurfewError
      if (isDown || batch.length === 1) for (const { reject } of batch) reject(error)
      else for (const item of batch) await this.#run([item])
      // Waiting requests would fail with the same error, but later.
      if (isDown) for (const { reject } of this.#pending.splice(0)) reject(error)
    }
  }
}
