/** Exit codes as in sysexits.h, and 130 as shells report an interrupt. docs/reference/cli.md describes them. */
export const EXIT = {
  /** Done, or the answer is yes. */
  ok: 0,
  /** The command ran, and the answer is no. */
  no: 1,
  usage: 64,
  data: 65,
  unavailable: 69,
  internal: 70,
  temporary: 75,
  denied: 77,
  config: 78,
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export const EXIT_MEANINGS: ReadonlyArray<readonly [ExitCode, string]> = [
  [EXIT.ok, 'success'],
  [EXIT.no, 'the command ran and found a problem: a failed revocation, an export that is not intact, …'],
  [EXIT.usage, 'invalid arguments'],
  [EXIT.data, 'invalid input: a broken line of a CSV file, a rejected request'],
  [EXIT.unavailable, 'the service is unreachable or could not start'],
  [EXIT.internal, 'an unexpected error'],
  [EXIT.temporary, 'temporarily unavailable: run the command again'],
  [EXIT.denied, 'the API key, or the OAuth client, is refused or lacks a role'],
  [EXIT.config, 'invalid configuration'],
  [EXIT.interrupted, 'interrupted by Ctrl-C'],
]
