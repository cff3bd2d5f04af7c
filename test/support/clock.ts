import { type Clock, systemClock } from '../../src/clock.ts'

/** A clock that stands still until a test moves it. */
export interface FakeClock extends Clock {
  /** Moves both clocks and runs the timers that become due on the way, in their order. */
  advance(ms: number): void
  /** Moves the wall clock alone, as NTP or an operator would. */
  jump(ms: number): void
  /** How long until the next timer, in ms; null when none is set. */
  untilNextTimer(): number | null
}

/** @param start wall-clock time to begin with, ms since the epoch; the real time by default */
export function fakeClock(start = Date.now()): FakeClock {
  let wall = start
  let monotonic = 1_000
  const timers = new Set<{ at: number; callback: () => void }>()
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
        // Due at once, also by a clock that stands.
        const immediate = setImmediate(callback)
        return () => clearImmediate(immediate)
      }
      const timer = { at: monotonic + ms, callback }
      timers.add(timer)
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
    jump(ms) {
      wall += ms
    },
    untilNextTimer() {
      const next = nextTimer()
      return next ? next.at - monotonic : null
    },
  }
}

/** The real clock, of which a test moves the monotonic half alone: what is held grows old, and tokens do not. */
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

/** The real clock, which a test can move ahead: what was to happen in that time happens now. */
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

/** That of services and tenants of a test that says nothing of clocks: one for all of them, so that they agree. */
export const testClock = skippingClock()
