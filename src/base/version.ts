import { readFileSync } from 'node:fs'

/** Curfew's version. Read rather than imported: package.json is outside the folder that the build compiles. */
export const VERSION: string = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
).version
