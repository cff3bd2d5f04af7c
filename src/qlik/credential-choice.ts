import type { Clock } from '../base/clock.ts'
import { QlikFailure } from '../revocation/qlik-tenant.ts'
import type { ClientCredential, ClientCredentials } from './tenant-config.ts'

/** A first credential that was refused is tried again after this long: it may have been added at Qlik only then. */
const TRY_FIRST_AGAIN_MS = 60 * 60_000

/** What the token endpoint has said to a client's credentials, by their positions. */
export interface Standing {
  /** The one that is used while it is accepted; where all are refused, the one that was tried last. */
  inUse: number
  /** When each was refused, in ms of a clock that never jumps; null where it is not known to be refused. */
  refusedAt: readonly (number | null)[]
}

/**
 * The positions to try, in this order, until one is accepted: first the one that works. Where all are refused it is one
 * alone, in turn, so that a client that is refused costs one call of Tier 2 at a time and not two.
 */
export function positionsToTry({ inUse, refusedAt }: Standing, now: number): number[] {
  if (refusedAt.every((at) => at !== null)) return [(inUse + 1) % refusedAt.length]
  const [firstRefusedAt] = refusedAt
  const isDue = typeof firstRefusedAt === 'number' && now - firstRefusedAt >= TRY_FIRST_AGAIN_MS
  const preferred = isDue ? 0 : inUse
  return [preferred, ...[...refusedAt.keys()].filter((position) => position !== preferred)]
}

/** What is known after the token endpoint has accepted or refused the credential at a position. */
export function standingAfter(
  { inUse, refusedAt }: Standing,
  { position, isAccepted, now }: { position: number; isAccepted: boolean; now: number },
): Standing {
  const next = refusedAt.with(position, isAccepted ? null : now)
  const other = next.indexOf(null)
  if (isAccepted || other < 0) return { inUse: position, refusedAt: next }
  return { inUse: next[inUse] === null ? inUse : other, refusedAt: next }
}

/**
 * What operators should know: that a credential is refused; null where all is well, and where there is one alone, of which
 * the failure itself reports it.
 */
export function refusalOf(kind: ClientCredential['kind'], { refusedAt }: Standing): string | null {
  const refused = refusedAt.flatMap((at, position) => (at === null ? [] : [position]))
  if (refusedAt.length === 1 || refused.length === 0) return null
  if (refused.length > 1) return `Qlik Cloud refuses both ${kind}s of the OAuth client.`
  const [which, other] = refused[0] === 0 ? ['first', 'second'] : ['second', 'first']
  return `Qlik Cloud refuses the ${which} of the OAuth client's two ${kind}s; the ${other} one is in use.`
}

export interface CredentialChoiceOptions {
  clock: Pick<Clock, 'monotonic'>
  /** Receives what `refusalOf` says when that changes. */
  onRefusalChange: (refusal: string | null) => void
}

/** The credentials of one OAuth client, and which of them works. */
export class CredentialChoice {
  readonly #credentials: ClientCredentials
  readonly #options: CredentialChoiceOptions
  #standing: Standing

  constructor(credentials: ClientCredentials, options: CredentialChoiceOptions) {
    this.#credentials = credentials
    this.#options = options
    this.#standing = { inUse: 0, refusedAt: credentials.map(() => null) }
  }

  /** See `refusalOf`. */
  get refusal(): string | null {
    return refusalOf(this.#credentials[0].kind, this.#standing)
  }

  /**
   * Makes a token request with the credential that works, and with the other one where it is refused.
   * @param request makes one request; a rejection with `credential-refused` means that the other one is tried
   * @throws QlikFailure `credential-refused` when none is accepted; whatever else `request` rejects with, at once
   */
  async use<T>(request: (credential: ClientCredential) => Promise<T>): Promise<T> {
    const failures: QlikFailure[] = []
    for (const position of positionsToTry(this.#standing, this.#options.clock.monotonic())) {
      const credential = this.#credentials[position] ?? this.#credentials[0]
      try {
        const answer = await request(credential)
        this.#note(position, true)
        return answer
      } catch (error) {
        if (!(error instanceof QlikFailure && error.kind === 'credential-refused')) throw error
        this.#note(position, false)
        failures.push(error)
      }
    }
    const details = [this.refusal ?? [], failures.at(-1)?.message ?? []].flat()
    throw new QlikFailure('credential-refused', details.join(' '), { cause: failures.at(-1) })
  }

  #note(position: number, isAccepted: boolean): void {
    const before = this.refusal
    const now = this.#options.clock.monotonic()
    this.#standing = standingAfter(this.#standing, { position, isAccepted, now })
    if (this.refusal !== before) this.#options.onRefusalChange(this.refusal)
  }
}
