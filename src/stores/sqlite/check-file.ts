import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { quickCheck } from './verify.ts'

/**
 * Checks a database file in a process of its own, which `LaterCheck` starts, and sends what it finds. Argument: the path.
 * `immutable` reads the file without locks and without the WAL: https://sqlite.org/uri.html#uriimmutable
 */
if (import.meta.main) {
  const url = pathToFileURL(process.argv[2] ?? '')
  url.searchParams.set('immutable', '1')
  process.send?.({ finding: quickCheck(new DatabaseSync(url, { readOnly: true })) })
}
