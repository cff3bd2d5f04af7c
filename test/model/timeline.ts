import { setImmediate as nextTurn } from 'node:timers/promises'

/** More at one and the same time is an endless loop. */
const EVENTS_AT_ONCE = 20_000
/** Turns of the event loop without any activity, until nothing more is to come by itself. */
const QUIET_TURNS = 3

interface Due {
  at: number
  run: () => unknown
}

/**
 * The true time, which no clock of the model shows, and everything that is due in it: timers of processes, arrivals of
 * requests and of answers. Time moves only while nothing is under way, from one event to the next.
 */
export class Timeline {
  #now: number
  #due: Due[] = []
  #pending = 0
  #activity = 0
  #wakeUp = () => {}
  /** Called when time has moved, before anything happens. */
  onMove = async (): Promise<void> => {}

  /** @param start ms since the epoch */
  constructor(start: number) {
    this.#now = start
  }

  get now(): number {
    return this.#now
  }

  /** Runs something once at that time; the answer cancels it. */
  at(at: number, run: () => unknown): () => void {
    const due = { at: Math.max(at, this.#now), run }
    let position = this.#due.length
    while (position > 0 && (this.#due[position - 1]?.at ?? 0) > due.at) position -= 1
    this.#due.splice(position, 0, due)
    this.note()
    return () => {
      const index = this.#due.indexOf(due)
      if (index >= 0) this.#due.splice(index, 1)
    }
  }

  /** Something has happened: what follows from it may not be there yet. */
  note(): void {
    this.#activity += 1
  }

  /** Time does not move until this has ended. */
  track<T>(work: Promise<T>): Promise<T> {
    this.#pending += 1
    this.note()
    const end = () => {
      this.#pending -= 1
      this.note()
      this.#wakeUp()
    }
    work.then(end, end)
    return work
  }

  /** Resolves when nothing is under way any more that needs no time to pass. */
  async quiet(): Promise<void> {
    let quietTurns = 0
    while (quietTurns < QUIET_TURNS) {
      const before = this.#activity
      await nextTurn()
      if (this.#pending > 0) await this.#nextEnd()
      quietTurns = this.#pending === 0 && this.#activity === before ? quietTurns + 1 : 0
    }
  }

  /** Lets time pass, event by event, until `isDone`; asks that after each, when all that follows from it has happened. */
  async pass(ms: number, isDone: () => Promise<boolean>): Promise<void> {
    const end = this.#now + ms
    let atOnce = 0
    for (;;) {
      await this.quiet()
      if (await isDone()) return
      const [next] = this.#due
      if (!next || next.at > end) break
      atOnce = next.at > this.#now ? 0 : atOnce + 1
      if (atOnce > EVENTS_AT_ONCE) throw new Error('Time does not move on: something repeats without end.')
      this.#due.shift()
      await this.#moveTo(next.at)
      next.run()
    }
    await this.#moveTo(end)
  }

  /** Runs what is due next, and does not wait for what follows from it. */
  async step(): Promise<void> {
    const next = this.#due.shift()
    if (!next) return
    await this.#moveTo(next.at)
    next.run()
  }

  async #moveTo(at: number): Promise<void> {
    if (at === this.#now) return
    this.#now = at
    await this.onMove()
  }

  #nextEnd(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeUp = resolve
    })
  }
}

/** An object whose promises are waited for before time moves. */
export function tracked<T extends object>(target: T, timeline: Timeline): T {
  return new Proxy(target, {
    get(_, name) {
      const value = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        const result = Reflect.apply(value, target, args)
        return result instanceof Promise ? timeline.track(result) : result
      }
    },
  })
}

/** Numbers from 0 up to 1 that are the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}
