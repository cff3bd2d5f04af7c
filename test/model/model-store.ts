import type { Setup } from './setup.ts'
import type { Timeline } from './timeline.ts'

/** Where the processes of a run keep what they know, and what of it survives a crash. */
export interface ModelStore {
  /** How many processes share it. */
  readonly processes: number
  /** Whether the clock of the store ends with the process. */
  readonly isClockLocal: boolean
  /** An address for the next process. */
  nextAddress(): Promise<string>
  /** The process at this address is gone: what it had committed stays, and nothing else of it has an effect. */
  crash(address: string): Promise<void>
  /** A process will not be heard of for this long. */
  noteSilence(ms: number): void
  /** Time has moved. */
  onTime(): Promise<void>
  close(): Promise<void>
}

export type OpenModelStore = (setup: Setup, timeline: Timeline) => Promise<ModelStore>
