import type { FakeClock } from './clock.ts'
import type { Asked, FakeTransmitter } from './transmitter.ts'

/** Resolves once the stream's keeper has nothing to do until the clock moves, and holds no poll; answers how long, in ms. */
export const nextPause = (clock: FakeClock): Promise<number> =>
  clock.timerOf('sources/shared-signals/streams/keep-stream.ts')

/** Moves the clock on by `ms`, never while the stream's keeper works, and resolves when it pauses again. */
export async function passPauses(clock: FakeClock, ms: number): Promise<void> {
  const end = clock.monotonic() + ms
  for (;;) {
    const pause = await nextPause(clock)
    const left = end - clock.monotonic()
    // Pauses with jitter are fractions of a millisecond, which do not add up exactly.
    if (left < 1) return
    clock.advance(Math.min(pause, left))
  }
}

/** Ends each pause of the stream's keeper, once it has begun, until the transmitter has been asked this. */
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
