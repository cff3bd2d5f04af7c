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
