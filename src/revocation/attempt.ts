import { CurfewError } from '../base/errors.ts'
import type { Moment } from '../base/moment.ts'
import { pause } from '../base/pause.ts'
import { type ListedUser, type Listing, listAll } from './listing.ts'
import type { Proof } from './proof.ts'
import { prove } from './prove.ts'
import type { QlikTenant } from './qlik-tenant.ts'
import { notRevoked, type RevokeOptions, refusedSince, revokeTokens } from './revoke-tokens.ts'
import { isStuck, mayDelete, nameTokens } from './token-fate.ts'

/** Rounds of revoking and listing per attempt: new tokens may be issued while old ones are revoked. */
const MAX_ROUNDS = 10
/**
 * Successive waits before listing again, while the list lags behind the deletes or changes during the read. After
 * these 17 s the attempt fails, and the next one waits longer.
 */
const WAITS_MS = [500, 1_000, 1_500, 2_000, 3_000, 4_000, 5_000]
/** How long an attempt waits for the list. */
export const LISTING_WAIT_MS = WAITS_MS.reduce((sum, ms) => sum + ms)

export interface AttemptOptions extends RevokeOptions {
  tenant: QlikTenant
  users: readonly ListedUser[]
  /** Ids of users known to exist. */
  existing: Iterable<string>
  onListed: (listing: Listing) => void
}

/** Lists users' tokens, revokes those in scope, and lists again until a listing proves that none is left. */
export class Attempt {
  readonly #options: AttemptOptions
  readonly #existing: Set<string>
  readonly #waits = WAITS_MS.values()
  #listing: Listing | null = null
  #rounds = 0
  #unproven = 0
  /** Whether the response to a delete suggests that the client has lost its power. */
  #mayLackPower = false

  constructor(options: AttemptOptions) {
    this.#options = options
    this.#existing = new Set(options.existing)
  }

  /**
   * @returns the proof, null if there is no user to list; the number of tokens that may or may not be in scope; and
   * when the last listing began
   * @throws CURFEW_TOKENS_REMAIN if the list still shows revoked tokens; CURFEW_LISTING_UNSTABLE if it changes while
   * it is read; QlikFailure, naming the tokens, if only tokens are left that Qlik refuses to revoke
   */
  async run(): Promise<{ proof: Proof | null; undecided: number; beganAt: Moment }> {
    for (;;) {
      const listing = await this.#list()
      const { due, gone, refused } = this.#sort(listing)
      if (due.length > 0) await this.#revoke(due)
      if (listing.failure !== null) throw listing.failure
      if (due.length > 0) continue
      if (gone.length > 0) {
        await this.#waitForList(gone)
        continue
      }
      if (refused.length > 0) throw notRevoked(this.#refused(refused))
      const { undecided, beganAt } = listing
      if (this.#options.users.length === 0) return { proof: null, undecided, beganAt }
      const proof = await this.#prove(listing)
      if (proof) return { proof, undecided, beganAt }
      this.#unproven += 1
      // Two equal listings in a row are a proof, so the first repetition needs no wait.
      if (this.#unproven > 1) await this.#wait(new CurfewError('CURFEW_LISTING_UNSTABLE'))
    }
  }

  async #list(): Promise<Listing> {
    const { users, tenant, tally, clock, onChange, onListed } = this.#options
    const listing = await listAll(users, this.#listing, tenant, this.#options)
    this.#listing = listing
    onListed(listing)
    for (const owner of listing.owners) this.#existing.add(owner)
    const now = clock.monotonic()
    tally.note(listing, (id) => {
      const fate = tenant.fateOf(id)
      return fate?.kind === 'gone' ? { how: fate.how, isStuck: isStuck(fate, now) } : null
    })
    onChange()
    return listing
  }

  /**
   * Splits the tokens in scope into those to revoke, those that should leave the list, and those that Qlik refuses to
   * revoke.
   */
  #sort({ inScope }: Listing): { due: string[]; gone: string[]; refused: string[] } {
    const { tenant, clock } = this.#options
    const now = clock.monotonic()
    const refused = this.#refused(inScope)
    const rest = [...inScope].filter((id) => !refused.has(id))
    const due = rest.filter((id) => mayDelete(tenant.fateOf(id), now))
    const gone = rest.filter((id) => !mayDelete(tenant.fateOf(id), now))
    return { due, gone, refused: [...refused.keys()] }
  }

  #refused(ids: Iterable<string>) {
    return refusedSince(this.#options.startedAt, ids, this.#options.tenant)
  }

  async #revoke(due: string[]): Promise<void> {
    this.#rounds += 1
    if (this.#rounds > MAX_ROUNDS) {
      throw new CurfewError(
        'CURFEW_TOKENS_REMAIN',
        `Qlik Cloud lists new tokens each time, now ${due.length}: the user is still being issued tokens.`,
      )
    }
    await revokeTokens(due, this.#options.tenant, this.#options)
    this.#mayLackPower ||= due.some((id) => this.#suggestsLostPower(id))
  }

  /** 403, or 404 for a token that was just listed. */
  #suggestsLostPower(id: string): boolean {
    const fate = this.#options.tenant.fateOf(id)
    if (fate?.kind === 'gone') return fate.how === 'already-gone'
    return fate?.kind === 'refused' && fate.failure.kind === 'forbidden'
  }

  /** Fails immediately if all of them are stuck, because waiting does not help. */
  async #waitForList(gone: string[]): Promise<void> {
    const { tenant, clock } = this.#options
    const stuck = gone.filter((id) => isStuck(tenant.fateOf(id), clock.monotonic()))
    const detail =
      stuck.length > 0
        ? `Qlik Cloud still lists tokens a minute after it revoked them: ${nameTokens(stuck)}.`
        : `Qlik Cloud still lists ${gone.length} tokens that it revoked within the last minute.`
    const error = new CurfewError('CURFEW_TOKENS_REMAIN', detail)
    if (stuck.length === gone.length) throw error
    await this.#wait(error)
  }

  /** @throws `error` after the last wait */
  async #wait(error: CurfewError): Promise<void> {
    const { clock, signal, onWait } = this.#options
    const { value: ms } = this.#waits.next()
    if (ms === undefined) throw error
    const endWait = onWait?.('listing')
    await pause(ms, clock, signal)
    endWait?.()
    signal.throwIfAborted()
  }

  /** Skips the check whether users exist if the client is not known to see other users' tokens. */
  #prove(listing: Listing): Promise<Proof | null> {
    const { users, tenant } = this.#options
    const resolved = users.map(({ id }) => id)
    const unknown = resolved.filter((id) => !this.#existing.has(id))
    const request = {
      listing,
      resolved,
      mustRecheck: this.#mayLackPower,
      usersExist: async (role: Proof['role'], client: string) => {
        for (const id of unknown) {
          if (role === 'not-reported' || !(await tenant.userExists(id, { ...this.#options, client })))
            return false
        }
        return true
      },
    }
    return prove(request, tenant, this.#options)
  }
}
