import type { SandboxCall } from '../../src/sandbox/call-log.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'

/** Resolves with the next matching call that the tenant answers. */
export function nextCall(
  { tenant }: Sandbox,
  isWanted: (call: SandboxCall) => boolean,
  phase: 'arrived' | 'answered' = 'answered',
): Promise<SandboxCall> {
  return new Promise((resolve) => {
    const end = tenant.onCall((at, call) => {
      if (at !== phase || !isWanted(call)) return
      end()
      resolve(call)
    })
  })
}

/** Returns the reason of a rejection; fails if the promise is fulfilled. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const result = await promise.then(
    () => null,
    (error: unknown) => ({ error }),
  )
  if (!result) throw new Error('expected a rejection')
  return result.error
}

const LOOK_EVERY_MS = 20

/**
 * Polls until a condition of another process holds, and returns how many ms that took. A rejection counts as not yet.
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 240_000,
): Promise<number> {
  const startedAt = performance.now()
  while (
    !(await Promise.resolve()
      .then(condition)
      .catch(() => false))
  ) {
    if (performance.now() - startedAt > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
  return performance.now() - startedAt
}
