import type { Clock } from '../base/clock.ts'
import { isoTime } from '../base/iso-time.ts'
import type { Log } from '../base/log.ts'
import type { Deprecation } from './deprecation.ts'
import type { MadeCall, Route } from './http.ts'

const DAY_MS = 24 * 60 * 60_000

interface Noted extends Deprecation {
  /** When a response last reported it, and when it was last logged; monotonic ms. */
  reportedAt: number
  loggedAt: number
}

/** A route that Qlik has deprecated at a tenant. */
export interface DeprecatedRoute extends Deprecation {
  route: Route
}

/**
 * Deprecated routes that Curfew calls, by tenant, according to the responses of the last day. Each is logged as a
 * warning, once a day.
 */
export class Deprecations {
  readonly #clock: Clock
  readonly #log: Log
  readonly #tenants = new Map<string, Map<Route, Noted>>()

  constructor({ clock, log }: { clock: Clock; log: Log }) {
    this.#clock = clock
    this.#log = log
  }

  /** Records what the response to a call reports. */
  note(tenant: string, { route, deprecation }: MadeCall): void {
    if (!deprecation) return
    const routes = this.#tenants.get(tenant) ?? new Map<Route, Noted>()
    this.#tenants.set(tenant, routes)
    const reportedAt = this.#clock.monotonic()
    const loggedAt = routes.get(route)?.loggedAt ?? Number.NEGATIVE_INFINITY
    const isDue = reportedAt - loggedAt >= DAY_MS
    routes.set(route, { ...deprecation, reportedAt, loggedAt: isDue ? reportedAt : loggedAt })
    if (isDue) this.#warn(tenant, route, deprecation)
  }

  /** The deprecated routes of a tenant. */
  of(tenant: string): DeprecatedRoute[] {
    const routes = this.#tenants.get(tenant) ?? new Map<Route, Noted>()
    const since = this.#clock.monotonic() - DAY_MS
    for (const [route, { reportedAt }] of routes) if (reportedAt <= since) routes.delete(route)
    if (routes.size === 0) this.#tenants.delete(tenant)
    return [...routes].map(([route, { since, sunset, link }]) => ({ route, since, sunset, link }))
  }

  /** Tenants with a deprecated route. */
  tenants(): string[] {
    return [...this.#tenants.keys()].filter((tenant) => this.of(tenant).length > 0)
  }

  #warn(tenant: string, route: Route, { since, sunset, link }: Deprecation): void {
    const details = { tenant, route, since: isoTime(since), sunset: isoTime(sunset), link }
    this.#log.warn(details, 'Qlik Cloud has deprecated an endpoint that Curfew calls')
  }
}
