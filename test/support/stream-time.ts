import type { FakeClock } from './clock.ts'
import type { Asked, FakeTransmitter } from './transmitter.ts'

/** Resolves once the stream's keeper only waits for the clock and has no open poll. Returns the wait, in ms. */
export const nextPause = (clock: FakeClock): Promise<number> =>
  clock.timerOf('sources/shared-signals/streams/keep-stream.ts')

/** Moves the clock by `ms`, but never while the stream's keeper works. Resolves when the keeper pauses again. */
export async function passPauses(clock: FakeClock, ms: number): Promise<void> {
  const end = clock.monotonic() + ms
  for (;;) {
    const pause = await nextPause(clock)
    const left = end - clock.monotonic()
    // Pauses with jitter have fractions of a millisecond, which do not add up exactly.
    if (left < 1) return
    clock.advance(Math.min(pause, left))
  }
}

/** Skips each pause of the stream's keeper until the transmitter receives the wanted request. */
export async function pauseUntil(
  clock: FakeClock,
  fake: FakeTransmitter,
  isWanted: (asked: Asked) => boolean,
): Promise<Asked> {
  const asked = fake.until(isWanted)
  for (;;) {
    const pause = await Promise.race([asked, nextPause(clock)])
    if (typeof pause !== 'number') return pause
    clock.advance(pause)
  }
}
