import type { Test } from 'tap'
import type { SandboxOptions } from '../../src/sandbox/options.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import type { SandboxClient, Tenant } from '../../src/sandbox/tenant.ts'

/** JSON of a response. The tests check its content. */
// biome-ignore lint/suspicious/noExplicitAny: tests check arbitrary responses
export type Json = any

export interface Answer {
  status: number
  headers: Headers
  body: Json
}

export interface OpenSandbox {
  url: string
  tenant: Tenant
  /** An admin client with an access token. */
  client: SandboxClient
  accessToken: string
  /** Makes a call, by default with the admin's access token. Does not follow redirects. */
  call(method: string, path: string, options?: { token?: string | null; body?: unknown }): Promise<Answer>
  /** Closes the sandbox before the test ends. */
  close(): Promise<void>
}

type ClientOptions = Parameters<Tenant['addClient']>[0]

/** A sandbox tenant with an admin client, closed when the test ends. The access token does not count as a call. */
export async function openSandbox(t: Test, options: SandboxOptions = {}, ofClient: ClientOptions = {}) {
  const { url, tenant, close } = await startSandbox(options)
  t.teardown(close)
  const client = tenant.addClient(ofClient)
  const { accessToken } = tenant.issueAccessToken(client, 'admin_classic')
  const call: OpenSandbox['call'] = async (method, path, { token = accessToken, body } = {}) => {
    const headers = new Headers()
    if (token !== null) headers.set('authorization', `Bearer ${token}`)
    if (body !== undefined) headers.set('content-type', 'application/json')
    const answer = await fetch(url + path, {
      method,
      headers,
      body: JSON.stringify(body),
      redirect: 'manual',
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, body: text === '' ? null : JSON.parse(text) }
  }
  return { url, tenant, client, accessToken, call, close } satisfies OpenSandbox
}

/** The body of a token request. */
export function grantFor({ id, secret }: SandboxClient) {
  return { grant_type: 'client_credentials', client_id: id, client_secret: secret, scope: 'admin_classic' }
}

/** A clock that only moves when it is advanced. */
export function stoppedClock(start = Date.parse('2026-11-21T12:00:00Z')) {
  const clock = { time: start, now: () => clock.time }
  return clock
}
