import { type Child, type Figure, median, memoryMb, sleep, spread } from './support.ts'

const STARTS = 5
/** After this time, what a start leaves behind is collected. */
const SETTLED_MS = 5_000

/** Resident memory of idle services in MB, of several starts each. They start in turn, so that both meet the same machine. */
export async function memoryAtStart(starts: readonly (() => Promise<Child>)[]): Promise<number[][]> {
  const memory: number[][] = starts.map(() => [])
  for (let count = 0; count < STARTS; count += 1)
    for (const [index, start] of starts.entries()) {
      const child = await start()
      await sleep(SETTLED_MS)
      memory[index]?.push(memoryMb(child, 'VmRSS'))
      await child.stop()
    }
  return memory
}

export function memoryFigure(name: string, [ours = [], theirs = []]: number[][], aimMb: number): Figure {
  const more = median(ours) - median(theirs)
  return {
    name,
    measured: `${more.toFixed(1)} MB: ${spread(ours, 1, ' MB')} against ${spread(theirs, 1, ' MB')}`,
    aim: `≤ ${aimMb} MB`,
    met: more <= aimMb,
    note: `VmRSS of ${STARTS} starts each, ${SETTLED_MS / 1_000} s after each, with the flags of \`npm start\`.`,
  }
}
