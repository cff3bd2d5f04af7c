import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Deprecation } from './deprecation.ts'
import type { MadeCall, Route } from './http.ts'

const DAY_MS = 24 * 60 * 60_000

interface Noted extends Deprecation {
  /** When an answer said it last, and when it was logged; monotonic ms. */
  saidAt: number
  loggedAt: number
}

/** A route of a tenant that Qlik has deprecated. */
export interface DeprecatedRoute extends Deprecation {
  route: Route
}

/**
 * The routes that Curfew calls and Qlik has deprecated, by tenant, according to the answers of the last day. Each is a warning
 * in the log, once a day.
 */
export class Deprecations {
  readonly #clock: Clock
  readonly #log: Log
  readonly #tenants = new Map<string, Map<Route, Noted>>()

  constructor({ clock, log }: { clock: Clock; log: Log }) {
    this.#clock = clock
    this.#log = log
  }

  /** Notes what the answer to a call says. */
  note(tenant: string, { route, deprecation }: MadeCall): void {
    if (!deprecation) return
    const routes = this.#tenants.get(tenant) ?? new Map<Route, Noted>()
    this.#tenants.set(tenant, routes)
    const saidAt = this.#clock.monotonic()
    const loggedAt = routes.get(route)?.loggedAt ?? Number.NEGATIVE_INFINITY
    const isDue = saidAt - loggedAt >= DAY_MS
    routes.set(route, { ...deprecation, saidAt, loggedAt: isDue ? saidAt : loggedAt })
    if (isDue) this.#warn(tenant, route, deprecation)
  }

  /** What is deprecated at a tenant. */
  of(tenant: string): DeprecatedRoute[] {
    const routes = this.#tenants.get(tenant) ?? new Map<Route, Noted>()
    const since = this.#clock.monotonic() - DAY_MS
    for (const [route, { saidAt }] of routes) if (saidAt <= since) routes.delete(route)
    if (routes.size === 0) this.#tenants.delete(tenant)
    return [...routes].map(([route, { since, sunset, link }]) => ({ route, since, sunset, link }))
  }

  /** The tenants that have deprecated a route. */
  tenants(): string[] {
    return [...this.#tenants.keys()].filter((tenant) => this.of(tenant).length > 0)
  }

  #warn(tenant: string, route: Route, { since, sunset, link }: Deprecation): void {
    const details = { tenant, route, since: iso(since), sunset: iso(sunset), link }
    this.#log.warn(details, 'Qlik Cloud has deprecated an endpoint that Curfew calls')
  }
}

function iso(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}
