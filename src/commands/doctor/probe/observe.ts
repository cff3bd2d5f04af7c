import type { Clock } from '../../../base/clock.ts'
import { pause } from '../../../base/pause.ts'
import type { Tier } from '../../../qlik/budget/permit-log.ts'
import { userPathIn } from '../../../qlik/links.ts'
import { LEEWAY_MS } from '../../../revocation/grant-limits.ts'
import { grantedAt } from '../../../revocation/scope.ts'
import { reasonOf } from '../finding.ts'
import { ownUserIn, type ProbeCalls, ProbeStopped, REPORT_THIS } from './calls.ts'

/** Times in ids are whole seconds, and the clocks are known to about one. */
export const ID_TOLERANCE_MS = 2_500
/** How long each effect is awaited. */
export const WATCHED_MS = 20_000
const LOOK_EVERY_MS = 1_000
/** After this time without another new token, the one that has appeared is the probe's own. */
const SETTLED_AFTER_MS = LEEWAY_MS + 1_000
/** For removing the throw-away token after an interrupt. */
const CLEAN_UP_MS = 10_000

/** What a probe has seen; null or absent where it ended earlier. Times in ms, as far as looks once a second show. */
export interface Observations {
  ownUserId: string | null
  scope: string | null
  /** Null if Qlik reports none. */
  roles: string[] | null
  sawOthers: boolean
  /** How `/users/me` answers. */
  redirect: LinkForm | null
  /** How listings link to themselves. */
  link: LinkForm | null
  /** Id of the throw-away token. */
  tokenId: string | null
  /** When it was requested, and when the response arrived, by the tenant's clock; ms since the epoch. */
  requestedAt: number
  answeredAt: number
  /** When it was first listed. `never`: not within `WATCHED_MS`. */
  listedAfter: number | 'never' | null
  firstDelete: number | null
  secondDelete: number | null
  /** When its use first failed after the delete. */
  failsAfter: number | 'never' | null
  /** When it had left the listing after the delete. */
  unlistedAfter: number | 'never' | null
  limitHeaders: Record<Tier, ReadonlyMap<string, string>>
  undated: number
  slowestMs: number
  calls: Record<Tier, number>
  /** Why the probe ended early; null if it did not. */
  stopped: string | null
  /** The throw-away token, if it may still be valid: its id, or `unknown`. */
  leftBehind: string | null
}

export type LinkForm = 'none' | 'relative' | 'same-origin' | 'another-origin'

export interface ProbeOptions {
  calls: ProbeCalls
  origin: string
  clock: Clock
  signal: AbortSignal
}

/**
 * Requests a throw-away access token for the client's bot user, deletes it, and observes what happens. Only a token that
 * was not listed before its request is deleted. Never rejects.
 */
export async function observe(options: ProbeOptions): Promise<Observations> {
  const { calls, signal } = options
  const seen = nothingSeen(calls)
  try {
    await new Probe(options, seen).run()
  } catch (error) {
    seen.stopped = signal.aborted
      ? 'Interrupted, or longer than 2 minutes. Run the probe again.'
      : reasonOf(error)
  }
  return { ...seen, undated: calls.undated, slowestMs: calls.slowestMs, calls: calls.made }
}

function nothingSeen({ limitHeaders }: ProbeCalls): Observations {
  return {
    ...{ ownUserId: null, scope: null, roles: null, sawOthers: false, redirect: null, link: null },
    ...{
      tokenId: null,
      requestedAt: 0,
      answeredAt: 0,
      listedAfter: null,
      firstDelete: null,
      secondDelete: null,
    },
    ...{ failsAfter: null, unlistedAfter: null, undated: 0, slowestMs: 0, calls: { 1: 0, 2: 0 } },
    ...{ limitHeaders, stopped: null, leftBehind: null },
  }
}

class Probe {
  readonly #options: ProbeOptions
  readonly #seen: Observations
  #lister = ''
  #thrownAway = ''
  #userPath = ''
  #userId = ''

  constructor(options: ProbeOptions, seen: Observations) {
    this.#options = options
    this.#seen = seen
  }

  async run(): Promise<void> {
    const { calls, signal } = this.#options
    const { value, scope } = await calls.requestToken(signal)
    this.#lister = value
    this.#seen.scope = scope
    await this.#lookAtUser()
    const before = await this.#idsBefore()
    this.#seen.requestedAt = calls.tenantNow()
    this.#thrownAway = (await calls.requestToken(signal)).value
    this.#seen.answeredAt = calls.tenantNow()
    this.#seen.leftBehind = 'unknown'
    const id = await this.#findNew(before)
    this.#seen.tokenId = id
    this.#requireOwn(id)
    this.#seen.leftBehind = id
    try {
      await this.#revoke(id)
    } finally {
      if (this.#seen.leftBehind !== null) await this.#cleanUp(id)
    }
  }

  async #lookAtUser(): Promise<void> {
    const { calls, origin, signal } = this.#options
    const me = await calls.me(this.#lister, signal)
    const isRedirect = me.status === 301 || me.status === 308
    this.#seen.redirect = isRedirect ? formOf(me.location, origin) : 'none'
    const user = isRedirect ? await calls.user(userPathIn(me.location, origin), this.#lister, signal) : me
    const { id, roles } = ownUserIn(user)
    this.#userId = id
    this.#userPath = `/api/v1/users/${encodeURIComponent(id)}`
    this.#seen.ownUserId = id
    this.#seen.roles = roles
    this.#seen.sawOthers = (await calls.owners(this.#lister, signal)).some((owner) => owner !== id)
  }

  /** Two looks, because the access token in use may be listed late, too. */
  async #idsBefore(): Promise<ReadonlySet<string>> {
    const { origin } = this.#options
    const { ids, link } = await this.#own()
    this.#seen.link = link === null ? 'none' : formOf(link, origin)
    await this.#pause(LEEWAY_MS)
    return new Set([...ids, ...(await this.#own()).ids])
  }

  /** @throws ProbeStopped unless exactly one token is new */
  async #findNew(before: ReadonlySet<string>): Promise<string> {
    const newIds = async () => (await this.#own()).ids.filter((id) => !before.has(id))
    this.#seen.listedAfter = await this.#watch(async () => (await newIds()).length > 0)
    if (this.#seen.listedAfter === 'never')
      throw new ProbeStopped(
        `The throw-away token has not been listed, so it cannot be deleted. ${REPORT_THIS}`,
      )
    // A running Curfew with the same client may request a token, too.
    await this.#pause(SETTLED_AFTER_MS)
    const [id, ...others] = await newIds()
    if (id === undefined || others.length > 0)
      throw new ProbeStopped(
        'It is unclear which of the new tokens is the throw-away one, so none is deleted: another program uses this client, or the listing lags. Run the probe again.',
      )
    return id
  }

  /** If the listing lags, the only new token can be one that another program requested. */
  #requireOwn(id: string): void {
    const at = grantedAt(id, this.#options.calls.tenantNow())
    if (at !== null && at < this.#seen.requestedAt - ID_TOLERANCE_MS)
      throw new ProbeStopped(
        'The new token was granted before the probe requested one. It may be another program’s, so it is not deleted. Run the probe again while no other program uses this client.',
      )
  }

  async #revoke(id: string): Promise<void> {
    const { calls, signal } = this.#options
    if ((await this.#use(this.#thrownAway)) !== 200)
      throw new ProbeStopped(
        `Qlik Cloud does not accept the throw-away token before its deletion. ${REPORT_THIS}`,
      )
    this.#seen.firstDelete = await calls.revoke(id, this.#lister, signal)
    if (![200, 204].includes(this.#seen.firstDelete))
      throw new ProbeStopped(
        `Qlik Cloud responds to the deletion of a token of the bot user with ${this.#seen.firstDelete}. ${REPORT_THIS}`,
      )
    this.#seen.leftBehind = null
    const startedAt = this.#options.clock.monotonic()
    await this.#watch(async () => {
      const passed = Math.round(this.#options.clock.monotonic() - startedAt)
      if (this.#seen.failsAfter === null && (await this.#use(this.#thrownAway)) === 401)
        this.#seen.failsAfter = passed
      if (this.#seen.unlistedAfter === null && !(await this.#own()).ids.includes(id))
        this.#seen.unlistedAfter = passed
      return this.#seen.failsAfter !== null && this.#seen.unlistedAfter !== null
    })
    this.#seen.failsAfter ??= 'never'
    this.#seen.unlistedAfter ??= 'never'
    this.#seen.secondDelete = await calls.revoke(id, this.#lister, signal)
  }

  async #cleanUp(id: string): Promise<void> {
    const { calls, clock } = this.#options
    const limit = new AbortController()
    const cancel = clock.after(CLEAN_UP_MS, () => limit.abort())
    try {
      const status = await calls.revoke(id, this.#lister, limit.signal)
      if ([200, 204, 404].includes(status)) this.#seen.leftBehind = null
    } catch {
      // It is reported as left behind.
    } finally {
      cancel()
    }
  }

  #own() {
    return this.#options.calls.own(this.#userId, this.#lister, this.#options.signal)
  }

  async #use(accessToken: string): Promise<number> {
    return (await this.#options.calls.user(this.#userPath, accessToken, this.#options.signal)).status
  }

  /** Looks once a second. @returns when the look first succeeded */
  async #watch(look: () => Promise<boolean>): Promise<number | 'never'> {
    const { clock } = this.#options
    const startedAt = clock.monotonic()
    for (;;) {
      const passed = Math.round(clock.monotonic() - startedAt)
      if (await look()) return passed
      if (passed >= WATCHED_MS) return 'never'
      await this.#pause(LOOK_EVERY_MS)
    }
  }

  async #pause(ms: number): Promise<void> {
    const { clock, signal } = this.#options
    await pause(ms, clock, signal)
    signal.throwIfAborted()
  }
}

function formOf(link: string | null, origin: string): LinkForm {
  if (link === null || !URL.canParse(link, origin)) return 'another-origin'
  if (!URL.canParse(link)) return 'relative'
  return new URL(link).origin === origin ? 'same-origin' : 'another-origin'
}
