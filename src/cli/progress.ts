import { note } from './terminal.ts'

const EVERY_MS = 5_000

export type Report = (state: string) => void

/**
 * Runs long work and shows its state on standard error: animated on a terminal, else a line every 5 s. With `isQuiet`,
 * it shows nothing.
 */
export async function withProgress<T>(
  title: string,
  isQuiet: boolean,
  work: (report: Report) => Promise<T>,
): Promise<T> {
  if (isQuiet) return work(() => {})
  if (!process.stdout.isTTY || !process.stderr.isTTY) return work(lines(title))
  const { Listr } = await import('listr2')
  let result: T | undefined
  const tasks = new Listr<unknown>(
    {
      title,
      task: async (_, task) => {
        result = await work((state) => {
          task.title = `${title}: ${state}`
        })
      },
    },
    // Its handlers would end the process before the command has saved its progress.
    { registerSignalListeners: false, rendererOptions: { showErrorMessage: false } },
  )
  await tasks.run()
  return result as T
}

function lines(title: string): Report {
  let last = performance.now()
  return (state) => {
    const now = performance.now()
    if (now - last < EVERY_MS) return
    last = now
    note(`${title}: ${state}`)
  }
}
