import type { SandboxCall } from '../../src/sandbox/call-log.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'

/** Resolves with the next call of that kind that the tenant has answered, from now on. */
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

/** What a promise is rejected with; one that is not rejected is an error of the test. */
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
 * Looks until a condition of another process holds, and answers how many ms that took. What it rejects with while it
 * does not hold yet is an answer, too.
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
    if (performance.now() - startedAt > withinMs) throw new Error(`in vain, for ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
  return performance.now() - startedAt
}
