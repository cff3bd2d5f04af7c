/** A possible defect of Curfew, as a change of one place in its source. */
export interface Defect {
  name: string
  /** Relative to `src/`. */
  file: string
  /** The current text, which must occur exactly once. */
  now: string
  instead: string
}

export const DEFECTS: readonly Defect[] = [
  {
    name: 'the first empty listing verifies',
    file: 'revocation/run-time.ts',
    now: 'return untilPast(confirmAfter(tenantTimeOf(this.#time)), { steady: beganAt.monotonic, tenantOffset })',
    instead:
      'return tenantOffset && untilPast(confirmAfter(tenantTimeOf(this.#time)), { steady: beganAt.monotonic, tenantOffset }) && 0',
  },
  {
    name: 'the granted scope is not read',
    file: 'qlik/client.ts',
    now: 'scope: token.scope ?? scope,',
    instead: 'scope,',
  },
  {
    name: 'deleted tokens are not remembered',
    file: 'qlik/token-memory.ts',
    now: 'return fate && this.#ageOf(fate) < RETENTION_MS ? fate : null',
    instead: 'return fate && this.#ageOf(fate) < RETENTION_MS && fate.kind !== "gone" ? fate : null',
  },
  {
    name: 'the time of a signal follows our wall clock',
    file: 'revocation/run-time.ts',
    now: 'const signalTime = signalTimeAt({ occurredAt: sentTime, receivedAt }, clocks)',
    instead:
      'const signalTime = signalTimeAt({ occurredAt: sentTime, receivedAt }, { ...clocks, tenantOffset: { earliest: clocks.wall - clocks.steady, latest: clocks.wall - clocks.steady } })',
  },
  {
    name: 'pages that shift are a proof',
    file: 'revocation/proof.ts',
    now: 'return pages === 1 || listings >= 2',
    instead: 'return pages + listings > 0',
  },
  {
    name: 'an unknown id is verified',
    file: 'revocation/attempt.ts',
    now: '!(await tenant.userExists(id, { ...this.#options, client }))',
    instead: 'id === role',
  },
  {
    name: 'a delivery is forgotten after ten minutes',
    file: 'revocation/replay.ts',
    now: 'export const DELIVERY_WINDOW_MS = 3 * 24 * 60 * 60_000',
    instead: 'export const DELIVERY_WINDOW_MS = 10 * 60_000',
  },
]
