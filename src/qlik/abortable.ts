/** Waits for shared work until the caller aborts; the work continues. */
export async function abortable<T>(shared: Promise<T>, signal: AbortSignal): Promise<T> {
  // The failure is reported to the other callers.
  shared.catch(() => {})
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([shared, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
