// The service, which reports its memory after a garbage collection when asked. Runs with --expose-gc.
import '../../src/main.ts'
import type { MemoryReport } from './target.ts'

process.on('message', () => {
  globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  const report: MemoryReport = { usedMb: (heapUsed + external) / 1024 ** 2, residentMb: rss / 1024 ** 2 }
  process.send?.(report)
})

// The run was interrupted.
process.on('disconnect', () => process.exit(1))
