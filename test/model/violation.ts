/** A guarantee that did not hold. */
export class Violation extends Error {
  /** What had happened until then, one line each. */
  trace: readonly string[] = []

  constructor(guarantee: string, details: object) {
    super(`${guarantee}: ${JSON.stringify(details)}`)
    this.name = 'Violation'
  }
}
