import type { Clock } from '../clock.ts'
import type { Proof } from './proof.ts'
import type { CallOptions, QlikTenant } from './qlik-tenant.ts'
import type { Revocation } from './revocation.ts'

/** A revocation that has completed, with what its last run resolved and proved. */
export type Completed = Revocation & { resolved: readonly string[]; proof: Proof }

export interface ConfirmOptions extends CallOptions {
  clock: Clock
}

/** What the confirming listing showed. `stopped`: it could not be made, `error` says why. */
export type Confirmation =
  | { found: 'nothing'; proof: Proof; undecided: number }
  | { found: 'tokens'; count: number }
  | { found: 'stopped'; error: unknown }

/**
 * Lists the tokens of a completed revocation's users once more, after the leeway. Deletes nothing. Never rejects.
 */
export async function confirm(
  _revocation: Completed,
  _tenant: QlikTenant,
  _options: ConfirmOptions,
): Promise<Confirmation> {
  throw new Error('not implemented')
}
