import type { Setup } from './setup.ts'
import type { Timeline } from './timeline.ts'

/** Storage for the processes of a run, and what survives a crash of one. */
export interface ModelStore {
  /** Number of processes that share it. */
  readonly processes: number
  /** Whether the clock of the store ends with the process. */
  readonly isClockLocal: boolean
  /** Returns an address for the next process. */
  nextAddress(): Promise<string>
  /** The process at this address has crashed: its committed data stays, and everything else has no effect. */
  crash(address: string): Promise<void>
  /** No process will be heard of for this long. */
  noteSilence(ms: number): void
  /** Called when time has advanced. */
  onTime(): Promise<void>
  close(): Promise<void>
}

export type OpenModelStore = (setup: Setup, timeline: Timeline) => Promise<ModelStore>
