import { type Clock, systemClock } from '../../src/base/clock.ts'

/** A clock that stands still until a test moves it. */
export interface FakeClock extends Clock {
  /** Moves both clocks and runs the timers that become due, in order. */
  advance(ms: number): void
  /**
   * Moves both clocks at once, then runs each due timer once, as after a suspend. For long times: `advance` would run a timer
   * of every second millions of times.
   */
  leap(ms: number): void
  /** Moves only the wall clock, as NTP or an operator would. */
  jump(ms: number): void
  /** Time until the next timer, in ms; null if none is set. */
  untilNextTimer(): number | null
  /**
   * Resolves once a timer is pending that was set in this file of `src/` or by a function called there: the code in that
   * file then waits only for the clock. Returns the time until the timer is due, in ms.
   */
  timerOf(file: string): Promise<number>
}

/** @param start wall-clock time to begin with, ms since the epoch; the real time by default */
export function fakeClock(start = Date.now()): FakeClock {
  let wall = start
  let monotonic = 1_000
  const timers = new Set<{ at: number; callback: () => void; setBy: Error }>()
  const observers = new Set<() => void>()
  const nextTimer = () => [...timers].sort((a, b) => a.at - b.at)[0]
  const move = (ms: number) => {
    wall += ms
    monotonic += ms
  }
  return {
    now: () => wall,
    monotonic: () => monotonic,
    after(ms, callback) {
      if (ms <= 0) {
        // Due at once, even while the clock stands still.
        const immediate = setImmediate(callback)
        return () => clearImmediate(immediate)
      }
      // Node creates the text of the stack when it is read.
      const timer = { at: monotonic + ms, callback, setBy: new Error('set') }
      timers.add(timer)
      for (const look of observers) look()
      return () => timers.delete(timer)
    },
    advance(ms) {
      const end = monotonic + ms
      for (let timer = nextTimer(); timer && timer.at <= end; timer = nextTimer()) {
        timers.delete(timer)
        move(timer.at - monotonic)
        timer.callback()
      }
      move(end - monotonic)
    },
    leap(ms) {
      move(ms)
      const due = [...timers].filter(({ at }) => at <= monotonic).sort((a, b) => a.at - b.at)
      for (const timer of due) if (timers.delete(timer)) timer.callback()
    },
    jump(ms) {
      wall += ms
    },
    untilNextTimer() {
      const next = nextTimer()
      return next ? next.at - monotonic : null
    },
    timerOf: (file) =>
      new Promise((resolve) => {
        const look = () => {
          const found = [...timers].find(({ setBy }) => functionsOf(setBy).includes(`/src/${file}:`))
          if (!found) return
          observers.delete(look)
          resolve(found.at - monotonic)
        }
        observers.add(look)
        look()
      }),
  }
}

/** The functions that ran, without those that awaited them. */
function functionsOf({ stack = '' }: Error): string {
  return stack.replace(/^ +at async .*$/gm, '')
}

/** The real clock; a test moves only its monotonic part, which ages what is held in memory but not tokens. */
export function agingClock(): Clock & { age(ms: number): void } {
  let passed = 0
  return {
    ...systemClock,
    monotonic: () => systemClock.monotonic() + passed,
    age(ms) {
      passed += ms
    },
  }
}

/** The real clock, which a test can move ahead; timers that become due run at once. */
export interface SkippingClock extends Clock {
  skip(ms: number): void
}

export function skippingClock(): SkippingClock {
  let skipped = 0
  const timers = new Set<{ at: number; callback: () => void; cancel: () => void }>()
  const now = () => systemClock.monotonic() + skipped
  return {
    now: () => systemClock.now() + skipped,
    monotonic: now,
    after(ms, callback) {
      const timer = { at: now() + ms, callback: () => {}, cancel: () => {} }
      timer.callback = () => {
        timers.delete(timer)
        callback()
      }
      timer.cancel = systemClock.after(ms, timer.callback)
      timers.add(timer)
      return () => {
        timer.cancel()
        timers.delete(timer)
      }
    },
    skip(ms) {
      skipped += ms
      for (const timer of timers) {
        timer.cancel()
        timer.cancel = systemClock.after(timer.at - now(), timer.callback)
      }
    },
  }
}

/** The default clock of services and tenants, shared so that they agree. */
export const testClock = skippingClock()
