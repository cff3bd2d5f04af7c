/** A violated guarantee. */
export class Violation extends Error {
  /** The events until then, one line each. */
  trace: readonly string[] = []

  constructor(guarantee: string, details: object) {
    super(`${guarantee}: ${JSON.stringify(details)}`)
    this.name = 'Violation'
  }
}
