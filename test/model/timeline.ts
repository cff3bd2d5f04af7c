import { setImmediate as nextTurn } from 'node:timers/promises'

/** More events at the same time are an endless loop. */
const EVENTS_AT_ONCE = 20_000
/** Turns of the event loop without activity after which nothing more follows by itself. */
const QUIET_TURNS = 3

interface Due {
  at: number
  run: () => unknown
}

/**
 * True time, which no clock of the model shows, and all events due in it: timers of processes, arrivals of requests
 * and responses. Time advances only while nothing is under way, from one event to the next.
 */
export class Timeline {
  #now: number
  #due: Due[] = []
  #pending = 0
  #activity = 0
  #wakeUp = () => {}
  /** Called when time has advanced, before any event. */
  onMove = async (): Promise<void> => {}

  /** @param start ms since the epoch */
  constructor(start: number) {
    this.#now = start
  }

  get now(): number {
    return this.#now
  }

  /** Runs a function once at that time; the returned function cancels it. */
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

  /** Records activity whose consequences may still follow. */
  note(): void {
    this.#activity += 1
  }

  /** Time does not advance until this work has ended. */
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

  /** Resolves when nothing is under way that could finish without time passing. */
  async quiet(): Promise<void> {
    let quietTurns = 0
    while (quietTurns < QUIET_TURNS) {
      const before = this.#activity
      await nextTurn()
      if (this.#pending > 0) await this.#nextEnd()
      quietTurns = this.#pending === 0 && this.#activity === before ? quietTurns + 1 : 0
    }
  }

  /** Advances time, event by event, until `isDone`, which is checked after each event and all its consequences. */
  async pass(ms: number, isDone: () => Promise<boolean>): Promise<void> {
    const end = this.#now + ms
    let atOnce = 0
    for (;;) {
      await this.quiet()
      if (await isDone()) return
      const [next] = this.#due
      if (!next || next.at > end) break
      atOnce = next.at > this.#now ? 0 : atOnce + 1
      if (atOnce > EVENTS_AT_ONCE) throw new Error('Time does not advance: something repeats endlessly.')
      this.#due.shift()
      await this.#moveTo(next.at)
      next.run()
    }
    await this.#moveTo(end)
  }

  /** Runs the next due event, without waiting for its consequences. */
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

/** Wraps an object so that time does not advance while its promises are pending. */
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

/** Numbers from 0 up to 1, reproducible by seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}
