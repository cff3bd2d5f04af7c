/** The errors of one section of `docs/errors.md`, by code. */
export type ErrorSection = Record<string, ErrorEntry>

interface ErrorEntry {
  /**
   * The HTTP status of an answer with this code, or null if the code occurs only in a revocation, in a log line, in a
   * readiness check or in an error message of the process.
   */
  status: number | null
  title: string
  action: string
}
