import { createServer, type RequestListener } from 'node:http'
import type { Test } from 'tap'
import { systemClock } from '../../src/clock.ts'
import { QlikClient } from '../../src/qlik/client.ts'
import { QlikHttp } from '../../src/qlik/http.ts'
import type { SandboxOptions } from '../../src/sandbox/options.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { listen } from '../support/listen.ts'

export const SIGNAL = new AbortController().signal
/** The first page of a user. */
export const FIRST = { userId: 'u1', page: null }

/** A client of the tenant at this address; it is closed with the test. */
export function clientOf(
  t: Test,
  origin: string,
  credentials = { clientId: 'c', clientSecret: 's' },
  timeoutMs = 5_000,
) {
  const http = new QlikHttp({
    origin,
    apiVersion: '2026-11',
    timeoutMs,
    clock: systemClock,
    onCall: () => {},
  })
  t.teardown(() => http.close())
  return { http, client: new QlikClient(http, { ...credentials, scope: 'admin_classic' }) }
}

/** A client of a sandbox, with an access token. */
export async function withSandbox(t: Test, options: SandboxOptions = {}, timeoutMs?: number) {
  const sandbox = await startSandbox(options)
  t.teardown(() => sandbox.close())
  const { id, secret, userId } = sandbox.tenant.addClient()
  const made = clientOf(t, sandbox.url, { clientId: id, clientSecret: secret }, timeoutMs)
  const { value: accessToken, lifetimeMs } = await made.client.requestAccessToken(SIGNAL)
  return { ...made, sandbox, tenant: sandbox.tenant, accessToken, lifetimeMs, botId: userId }
}

/** A tenant that answers what a test wants: for answers that the sandbox does not give. */
export async function withAnswer(t: Test, listener: RequestListener) {
  const server = createServer(listener)
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return clientOf(t, `http://127.0.0.1:${await listen(server)}`).client
}

export const json = (body: unknown, status = 200, headers = {}): RequestListener => {
  return (_request, response) => response.writeHead(status, headers).end(JSON.stringify(body))
}
