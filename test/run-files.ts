import { once } from 'node:events'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'

// Runs test files in this process, one after the other, and reports the outcome of each to `run.ts`.

// tap would run its own teardowns and end the process when the first file is idle. These run after each file.
const teardowns: (() => unknown)[] = []
t.teardown = (teardown) => void teardowns.push(teardown)

for (const name of process.argv.slice(2)) {
  const started = performance.now()
  const failedBefore = t.counts.fail
  await import(pathToFileURL(resolve(name)).href)
  if (!t.idle) await once(t, 'idle')
  for (const teardown of teardowns.splice(0).reverse()) await teardown()
  const outcome = t.counts.fail > failedBefore ? 'failed' : 'passed'
  t.comment(`${name}: ${outcome}, ${((performance.now() - started) / 1000).toFixed(2)} s`)
}

/** After this time, what a test has left open no longer keeps the process. The report names it. */
const LEFT_OPEN_MS = 10_000
setTimeout(() => {
  t.comment(`left open: ${process.getActiveResourcesInfo().join(', ')}`)
  t.end()
  process.exit(t.passing() ? 0 : 1)
}, LEFT_OPEN_MS).unref()
