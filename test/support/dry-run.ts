import type { Test } from 'tap'
import { until } from './events.ts'
import { nothingStored } from './problems.ts'
import type { Reply, Service } from './service.ts'

export type Json = Reply['json']
export type Name = { userId: string } | { subject: string } | { email: string }

interface Options {
  query?: string
  body?: object
  headers?: Record<string, string>
}

/** Requests to the three routes for one user. The first route accepts only Qlik user ids. */
export const ROUTES = {
  'revoke-all': (
    service: Service,
    name: Name,
    { query = 'dryRun=true', body, headers = {} }: Options = {},
  ) => {
    const id = 'userId' in name ? name.userId : ''
    return service.call('POST', `/users/${encodeURIComponent(id)}/revoke-all?${query}`, { body, headers })
  },
  'logout-hook': (
    service: Service,
    name: Name,
    { query = 'dryRun=true', body, headers = {} }: Options = {},
  ) => service.call('POST', `/logout-hook?${query}`, { body: { ...name, ...body }, headers }),
  bulk: (service: Service, name: Name, { query = 'dryRun=true', body, headers = {} }: Options = {}) =>
    service.call('POST', `/revocations?${query}`, { body: { users: [name], ...body }, headers }),
}
export type Route = keyof typeof ROUTES
export const EACH = Object.keys(ROUTES) as Route[]

/** The report of one user's dry run, from any of the routes. */
export async function preview(
  service: Service,
  route: Route,
  name: Name,
  options: Options = {},
): Promise<Json> {
  const { status, headers, json, text } = await ROUTES[route](service, name, options)
  if (status !== 200) throw new Error(`expected 200, got ${status}: ${text}`)
  if (headers.has('location')) throw new Error('a dry run has no location')
  return route === 'bulk' ? json.items[0].dryRun : json
}

export const idsOf = (tokens: { id: string }[]) => tokens.map(({ id }) => id).sort()
export const countOf = ({ sandbox }: Service, route: string) =>
  sandbox.tenant.calls.filter((call) => call.route === route).length

/** Waits until the service, not only the tenant, has finished `count` calls of a route. */
export function answersTaken(service: Service, route: string, count: number): Promise<number> {
  const line = `curfew_qlik_request_seconds_count{route="${route}"} ${count}\n`
  return until(line, async () => (await service.call('GET', '/metrics')).text.includes(line))
}

/** Asserts that nothing was revoked or stored. */
export async function nothingDone(t: Test, service: Service): Promise<void> {
  t.equal(countOf(service, 'revoke'), 0, 'nothing is revoked')
  await nothingStored(t, service)
}
