import { CurfewError } from '../../base/errors.ts'

interface Item<Request, Answer> {
  request: Request
  resolve: (answer: Answer) => void
  reject: (error: unknown) => void
}

export interface BatchesOptions<Request, Answer> {
  /** Does many at once: answers each in its place. */
  run: (requests: readonly Request[]) => Promise<Answer[]>
  /** Batches under way at once. */
  concurrency: number
  largest: number
  /** Whether a request may be in one batch with those that are in it. All may, when left out. */
  fits?: (request: Request, batch: readonly Request[]) => boolean
}

/**
 * Gathers what is asked for while the database is at work, and asks for all of it at once: a transaction costs about
 * the same for one as for a hundred. One that makes its batch fail does so alone.
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

  /** After this turn of the event loop: what comes in it goes together. */
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
        if (answer === undefined) reject(new Error('A batch answered less than it was asked.'))
        else resolve(answer)
      }
    } catch (error) {
      const isDown = error instanceof CurfewError
      if (isDown || batch.length === 1) for (const { reject } of batch) reject(error)
      else for (const item of batch) await this.#run([item])
      // Those that wait would only find the same, and later than they can wait.
      if (isDown) for (const { reject } of this.#pending.splice(0)) reject(error)
    }
  }
}
