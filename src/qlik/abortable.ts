/** Waits for something that is shared with others, no longer than the caller wants to; it goes on without. */
export async function abortable<T>(shared: Promise<T>, signal: AbortSignal): Promise<T> {
  // The others who share it hear of its failure.
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
