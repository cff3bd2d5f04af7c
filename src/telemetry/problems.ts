import type { DiagLogger } from '@opentelemetry/api'
import { type Clock, systemClock } from '../base/clock.ts'
import { LineLimiter } from '../base/line-limiter.ts'
import type { Log } from '../base/log.ts'
import { printableText } from '../base/printable.ts'

const LINE_EVERY_MS = 60_000
/** Before there is a log. The SDK reports each unusable variable. */
const MAX_EARLY = 20

type Write = (log: Log, leftOut: number) => void

/**
 * Problems of OpenTelemetry, in Curfew's log. A collector that is away causes one per batch: there is one line a minute.
 * Those before there is a log are written once there is one.
 */
export class Problems {
  readonly #limiter: LineLimiter
  #log: Log | null = null
  #early: Write[] = []

  constructor(clock: Pick<Clock, 'monotonic'> = systemClock) {
    this.#limiter = new LineLimiter({
      everyMs: LINE_EVERY_MS,
      maxTopics: MAX_EARLY,
      maxDetails: MAX_EARLY,
      clock,
    })
  }

  writeTo(log: Log): void {
    this.#log = log
    for (const write of this.#early.splice(0)) write(log, 0)
  }

  /** For `diag`. Only warnings and errors: debugging would log each span. */
  readonly diag: DiagLogger = {
    error: (text) => this.#report(text),
    warn: (text) => this.#report(text),
    info: () => {},
    debug: () => {},
    verbose: () => {},
  }

  /** For failed exports. The collector's answer is not logged. */
  readonly exportFailed = (err: unknown): void => {
    const status = err instanceof Error && 'code' in err && typeof err.code === 'number' ? err.code : null
    this.#note('export', null, (log, leftOut) =>
      log.warn({ status, leftOut, err }, 'traces could not be exported; the work on revocations continues'),
    )
  }

  #report(text: string): void {
    const detail = withoutValues(text)
    this.#note('report', detail, (log, leftOut) =>
      log.warn({ detail, leftOut }, 'OpenTelemetry reports a problem'),
    )
  }

  #note(topic: string, detail: string | null, write: Write): void {
    const leftOut = this.#limiter.note(topic, detail)
    if (leftOut === null) return
    if (this.#log) write(this.#log, leftOut)
    else if (this.#early.length < MAX_EARLY) this.#early.push(write)
  }
}

/**
 * Texts quote values of variables, and OTEL_EXPORTER_OTLP_HEADERS contains keys: in parentheses, in quotes, or after `=`.
 */
function withoutValues(text: string): string {
  const values = [/\(.*\)/gs, /".*"|'.*'/gs, /=\S*/g]
  return printableText(values.reduce((rest, value) => rest.replaceAll(value, '...'), text))
}
