import { copyFileSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import type { OpenModelStore } from './model-store.ts'

/** Opens stores for one process each, in files in `folder`. */
export async function sqliteFiles(folder: string): Promise<OpenModelStore> {
  const empty = join(folder, 'empty.db')
  await openSqliteStore(empty).close()
  let runs = 0
  return async () => {
    runs += 1
    const run = runs
    let crashes = 0
    const file = () => join(folder, `run-${run}-${crashes}.db`)
    copyFileSync(empty, file())
    return {
      processes: 1,
      isClockLocal: true,
      nextAddress: async () => `sqlite:${file()}`,
      /** The current file continues under another name, as a killed process would leave it. */
      async crash() {
        const before = file()
        crashes += 1
        for (const suffix of ['', '-wal'])
          if (existsSync(before + suffix)) copyFileSync(before + suffix, file() + suffix)
      },
      noteSilence() {},
      async onTime() {},
      /** The files are small. */
      async close() {
        for (let index = 0; index <= crashes; index += 1)
          for (const suffix of ['', '-wal'])
            rmSync(join(folder, `run-${run}-${index}.db${suffix}`), { force: true })
      },
    }
  }
}
