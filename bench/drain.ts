import { TOOLS, type Tool } from './contender.ts'
import { type Outcome, raceCurfew, raceTool } from './race.ts'
import { type Figure, print } from './support.ts'

const TOKENS = (process.env.BENCH_TOKENS ?? '100,500,1000,5000').split(',').map(Number)
const PERMITS = 500
const WINDOW_MS = Number(process.env.BENCH_WINDOW_MS ?? 10_000)
const REAL_WINDOW_MS = 300_000
/** Short, so that one call after the other makes 500 deletes within a window, as with Qlik's 300 s. */
const LATENCY_MS = 5
/** Of each client. */
const CONCURRENCY = 16
const CLIENTS = 4
const AIM = 1.02
const AIM_FASTER = 3.9
const PAGE = 100

const windowsOf = (tokens: number, clients: number) => Math.floor((tokens - 1) / (PERMITS * clients))

/** The full windows and the burst: list all pages, revoke the tokens of the last window. */
function idealMs(tokens: number, clients: number, windowMs = WINDOW_MS): number {
  const windows = windowsOf(tokens, clients)
  const rest = tokens - windows * PERMITS * clients
  const calls = Math.ceil(tokens / PAGE) + Math.ceil(rest / (CONCURRENCY * clients))
  return windows * windowMs + calls * LATENCY_MS
}

interface Drained extends Outcome {
  tokens: number
  clients: number
}

const ratioOf = ({ lastMs, tokens, clients }: Drained) => lastMs / idealMs(tokens, clients)

/** Revokes many tokens of one user: Curfew, and what a team could use instead. */
export async function drain(): Promise<Figure[]> {
  const one = await drainEach((tokens) => raceCurfew(tokens, 1))
  const several = await drainEach((tokens) => raceCurfew(tokens, CLIENTS), CLIENTS)
  const figures = [curfewFigure(one, 'one client'), curfewFigure(several, `${CLIENTS} clients`)]
  figures.push(fasterFigure(one, several))
  for (const tool of TOOLS) {
    const results = await drainEach((tokens) => raceTool(tokens, tool))
    figures.push({ ...figureOf(results, `${tool}, one client`, TOOL_NOTES[tool]), aim: 'none', met: true })
  }
  return figures
}

async function drainEach(
  start: (race: Parameters<typeof raceCurfew>[0]) => Promise<Outcome>,
  clients = 1,
): Promise<Drained[]> {
  const drained: Drained[] = []
  for (const tokens of TOKENS) {
    const limits = { permits: PERMITS, windowMs: WINDOW_MS, latencyMs: LATENCY_MS }
    drained.push({ ...(await start({ sizes: [tokens], ...limits })), tokens, clients })
  }
  return drained
}

const count = (tokens: number) => tokens.toLocaleString('en')

function figureOf(results: readonly Drained[], contender: string, note: string) {
  const largestFirst = results.toReversed()
  const times = largestFirst.map((result) => {
    const { tokens, alive, lastMs } = result
    const seconds = `${(lastMs / 1000).toFixed(2)} s`
    if (alive > 0) return `${count(alive)} of ${count(tokens)} left alive after ${seconds}`
    return `${ratioOf(result).toFixed(3)} for ${count(tokens)} (${seconds})`
  })
  const refused = largestFirst.map((result) => result.refused).join(', ')
  return {
    name: `Tokens of one user with a limit of ${PERMITS} per window, relative to the full windows and the burst: ${contender}`,
    measured: `${times.join('; ')}; responses with 429: ${refused}`,
    note: note + excessOf(results),
  }
}

function curfewFigure(results: Drained[], clients: string): Figure {
  const isFast = (result: Drained) => windowsOf(result.tokens, result.clients) === 0 || ratioOf(result) <= AIM
  return {
    ...figureOf(results, `Curfew, ${clients}`, METHOD),
    aim: `≤ ${AIM} from the second window on, no 429, none alive`,
    met: results.every((result) => isFast(result) && result.refused === 0 && result.alive === 0),
  }
}

function fasterFigure(one: Drained[], several: Drained[]): Figure {
  const [slow, fast] = [one.at(-1), several.at(-1)]
  const ratio = (slow?.lastMs ?? Number.NaN) / (fast?.lastMs ?? Number.NaN)
  return {
    name: `${count(slow?.tokens ?? 0)} tokens of one user with ${CLIENTS} clients, compared with one client`,
    measured: `${ratio.toFixed(2)} times faster`,
    aim: `≥ ${AIM_FASTER}`,
    met: ratio >= AIM_FASTER,
    note: 'The two figures before.',
  }
}

const METHOD =
  `From sending the request to the end of the last delete at the tenant, which allows ${PERMITS} deletes in ${WINDOW_MS / 1000} s and waits ${LATENCY_MS} ms before ` +
  `each response. Each process first revokes other tokens and waits for a full budget. The ideal is ⌊(N − 1) / (${PERMITS} · clients)⌋ windows, the listing, and ` +
  `the deletes of the last window with ${CONCURRENCY} calls at once for each client.`

const TOOL_NOTES: Record<Tool, string> = {
  'loop over @qlik/api':
    'Lists with `next()`, then deletes one token after the other. A response with 429 ends it.',
  'undici, 8 workers, retries':
    'The retry interceptor waits as long as `Retry-After` says, up to five times per call. Its maximum wait is raised from 30 s to a window: ' +
    "otherwise it would give up before Qlik's window of 300 s ends.",
  'p-throttle at the documented rate':
    'Its windows begin when it starts calls, not when the tenant counts them. It does not repeat a delete that fails.',
}

/** The excess is time between calls and does not grow with the window. */
function excessOf(results: readonly Drained[]): string {
  const finished = results.filter(({ alive }) => alive === 0).toReversed()
  const excesses = finished.map(({ lastMs, tokens, clients }) => lastMs - idealMs(tokens, clients))
  const [largest] = finished
  if (!largest) return ''
  const { tokens, clients } = largest
  const real = 1 + (excesses[0] ?? Number.NaN) / idealMs(tokens, clients, REAL_WINDOW_MS)
  return (
    ` Excess over the ideal: ${excesses.map((ms) => `${Math.round(ms)} ms`).join(', ')}.` +
    (windowsOf(tokens, clients) > 0
      ? ` With windows of 300 s, ${count(tokens)} tokens would take ${real.toFixed(4)} of the ideal.`
      : '')
  )
}

if (import.meta.main) await print(drain())
