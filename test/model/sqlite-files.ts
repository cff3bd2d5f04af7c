import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Setup } from './setup.ts'
import type { Timeline } from './timeline.ts'

/** Where the processes of a run keep what they know, and what of it survives a crash. */
export interface ModelStore {
  /** How many processes share it. */
  readonly processes: number
  /** Whether the clock of the store ends with the process. */
  readonly isClockLocal: boolean
  /** The address for the next process in this place. */
  addressOf(place: number): Promise<string>
  /** The process in this place is gone without letting go: what it had committed is there, and it has no effect any more. */
  crash(place: number): Promise<void>
  close(): Promise<void>
}

export type OpenModelStore = (setup: Setup, timeline: Timeline) => Promise<ModelStore>

/** Opens stores for one process each, in files in `folder`. */
export function sqliteFiles(folder: string): OpenModelStore {
  let runs = 0
  return async () => {
    runs += 1
    const run = runs
    let crashes = 0
    const file = () => join(folder, `run-${run}-${crashes}.db`)
    return {
      processes: 1,
      isClockLocal: true,
      addressOf: async () => `sqlite:${file()}`,
      /** The file as it is goes on under another name: that is what a killed process leaves behind. */
      async crash() {
        const [before] = [file()]
        crashes += 1
        for (const suffix of ['', '-wal'])
          if (existsSync(before + suffix)) copyFileSync(before + suffix, file() + suffix)
      },
      async close() {
        // The folder goes as a whole.
      },
    }
  }
}
