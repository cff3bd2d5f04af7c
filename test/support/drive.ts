import type { openPool } from './client-pool.ts'

/** Lets pending work proceed. */
export const turns = async (count = 30) => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** Moves the clock by a second at a time until the work is done; calls `onSecond` before each. */
export async function drive(
  { clock, sandbox }: Pick<Awaited<ReturnType<typeof openPool>>, 'clock' | 'sandbox'>,
  work: Promise<unknown>,
  onSecond = (_second: number) => {},
): Promise<void> {
  let isDone = false
  let underWay = 0
  const stop = sandbox.tenant.onCall((phase) => {
    underWay += phase === 'arrived' ? 1 : -1
  })
  work.finally(() => {
    isDone = true
  })
  for (let second = 0; !isDone; second += 1) {
    onSecond(second)
    do await turns()
    while (underWay > 0)
    if (!isDone) clock.advance(1_000)
  }
  stop()
}
