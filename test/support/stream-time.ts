import type { FakeClock } from './clock.ts'
import type { Service } from './service.ts'

/** Moves the clock on, in steps, with time for some requests in each. */
export async function passTime(
  clock: FakeClock,
  { call }: Service,
  seconds: number,
  stepSeconds = 1,
): Promise<void> {
  for (let second = 0; second < seconds; second += stepSeconds) {
    clock.advance(stepSeconds * 1_000)
    for (let index = 0; index < 3; index += 1) await call('GET', '/health/live')
  }
}

/** Moves the clock on until it is so. */
export async function passTimeUntil(clock: FakeClock, service: Service, isSo: () => boolean): Promise<void> {
  while (!isSo()) await passTime(clock, service, 1)
}
