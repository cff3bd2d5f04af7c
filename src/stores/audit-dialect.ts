/** What differs between the stores in the SQL of the audit trail. */
export interface AuditDialect {
  /** The name of a table in SQL. */
  table(name: string): string
  /** The n-th parameter, from 1. */
  parameter(n: number): string
  /** A condition: the column has one of the values in the parameter. */
  isIn(column: string, parameter: string): string
  /** A list of strings as the value of a parameter. */
  list(values: readonly string[]): unknown
  /** Lower case of ASCII letters only, in every locale. */
  lower(expression: string): string
  /** A condition: the text contains one of the texts in the parameter. */
  containsAny(text: string, parameter: string): string
  /** The expression for the time of an entry in the indexes that begin with a user or sender. */
  timeInIndex: string
  /** The objects in a parameter with a JSON array, as a table with columns of these types. */
  records(parameter: string, columns: Readonly<Record<string, string>>): string
  /** The integer expression with which the index by user begins; null if it begins with the user. */
  userPart: string | null
}

export type Rows = (text: string, values: unknown[]) => Promise<Record<string, unknown>[]>

/**
 * Conditions without an index are checked on this many rows at a time: a long scan would block SQLite's event loop, or exceed
 * PostgreSQL's statement timeout.
 */
export const WINDOW = 5_000
