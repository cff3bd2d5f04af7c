import type { Clock } from '../base/clock.ts'
import { QlikFailure } from '../revocation/qlik-tenant.ts'
import type { ClientCredential, ClientCredentials } from './tenant-config.ts'

/** How long until a refused first credential is tried again: it may have been added at Qlik in the meantime. */
const TRY_FIRST_AGAIN_MS = 60 * 60_000

/** How the token endpoint responded to a client's credentials, by position. */
export interface Standing {
  /** The credential used while it is accepted; if all are refused, the one tried last. */
  inUse: number
  /** When each was refused, in ms of a monotonic clock; null if it is not known to be refused. */
  refusedAt: readonly (number | null)[]
}

/**
 * The positions to try, in order, until one is accepted: first the one that works. If all are refused, only one is
 * tried at a time, in turn, so that a refused client costs one Tier 2 call at a time instead of two.
 */
export function positionsToTry({ inUse, refusedAt }: Standing, now: number): number[] {
  if (refusedAt.every((at) => at !== null)) return [(inUse + 1) % refusedAt.length]
  const [firstRefusedAt] = refusedAt
  const isDue = typeof firstRefusedAt === 'number' && now - firstRefusedAt >= TRY_FIRST_AGAIN_MS
  const preferred = isDue ? 0 : inUse
  return [preferred, ...[...refusedAt.keys()].filter((position) => position !== preferred)]
}

/** The standing after the token endpoint accepted or refused the credential at a position. */
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
 * A message for operators about refused credentials. Null if none is refused, or if there is only one credential,
 * whose failure is reported elsewhere.
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
  /** Called with the result of `refusalOf` when it changes. */
  onRefusalChange: (refusal: string | null) => void
}

/** The credentials of one OAuth client, and which of them work. */
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
   * Makes a token request with the credential that works, or with the other one if that is refused.
   * @param request makes one request; if it rejects with `credential-refused`, the other credential is tried
   * @throws QlikFailure `credential-refused` if none is accepted; any other rejection of `request`, immediately
   */
  async use<T>(request: (credential: ClientCredential) => Promise<T>): Promise<T> {
    const failures: QlikFailure[] = []
    for (const position of positionsToTry(this.#standing, this.#options.clock.monotonic())) {
      const credential = this.#credentials[position] ?? this.#credentials[0]
      try {
        const result = await request(credential)
        this.#note(position, true)
        return result
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
