import type { IncomingMessage, ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import type { Test } from 'tap'
import { type Issuer, startIssuer } from './issuer.ts'
import type { Service, ServiceOptions } from './service.ts'
import { AUDIENCE, type SetOptions, setClaims } from './shared-signals.ts'
import { type SourceService, startWithSources } from './source-service.ts'

export const TOKEN = 'management-token'
export const POLL = 'urn:ietf:rfc:8936'
export const PUSH = 'urn:ietf:rfc:8935'

// biome-ignore lint/suspicious/noExplicitAny: a test's view of JSON
type Json = any
export interface Asked {
  path: string
  method: string
  /** From the query. */
  streamId: string | null
  authorization: string | undefined
  body: Json
}

interface Answer {
  status: number
  body?: unknown
  headers?: Record<string, string>
}

/** A transmitter with stream management and polling (Shared Signals Framework 1.0). It closes with the test. */
export interface FakeTransmitter {
  issuer: Issuer
  streams: Json[]
  /** The authorized requests, in order. */
  asked: Asked[]
  /** The unauthorized requests. */
  refused: Asked[]
  /** Resolves with the first wanted request, including earlier ones. */
  until(isWanted: (asked: Asked) => boolean): Promise<Asked>
  /** Queues a token for the next poll. */
  queue(jti: string, token: string): void
  /** Overrides the answers at this path, to all requests or to some; null restores them. */
  override(path: string, answer: Answer | ((asked: Asked) => Answer | null) | null): void
  /** Awaits `wait` before each request to this path is served. */
  before(path: string, wait: (asked: Asked) => Promise<void>): void
  /** A poll stream as the transmitter represents it. */
  stream(id: string, members?: object): Json
}

export async function startTransmitter(
  t: Test,
  /** The maximum number of events per poll, instead of the requested one. */
  {
    eventsAtOnce = null as number | null,
    /** Whether a request with this header is served. */
    isAuthorized = (header: string | undefined): boolean => header === `Bearer ${TOKEN}`,
  } = {},
): Promise<FakeTransmitter> {
  const issuer = await startIssuer(t, { typ: 'secevent+jwt', wellKnown: 'ssf-configuration' })
  const { url } = issuer
  const streams: Json[] = []
  let created = 0
  const asked: Asked[] = []
  const refused: Asked[] = []
  const waiting = new Set<() => void>()
  const overrides = new Map<string, (asked: Asked) => Answer | null>()
  const waits = new Map<string, (asked: Asked) => Promise<void>>()
  const pending = new Map<string, string>()
  let held: (() => void) | null = null

  issuer.answerJson('/.well-known/ssf-configuration', {
    spec_version: '1_0',
    issuer: url,
    jwks_uri: issuer.jwksUri,
    delivery_methods_supported: [PUSH, POLL],
    configuration_endpoint: `${url}/streams`,
    status_endpoint: `${url}/status`,
    verification_endpoint: `${url}/verify`,
  })

  const serve = (
    path: string,
    answer: (request: Asked, reply: (status: number, body?: unknown) => void) => void,
  ) =>
    issuer.answer(path, async (request: IncomingMessage, response: ServerResponse) => {
      const { method = '', headers } = request
      const streamId = new URL(String(request.url), url).searchParams.get('stream_id')
      const body = ['POST', 'PATCH'].includes(method) ? await json(request).catch(() => null) : null
      const one = { path, method, streamId, authorization: headers.authorization, body }
      const reply = (status: number, document?: unknown, headers = {}) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers })
        response.end(document === undefined ? undefined : JSON.stringify(document))
      }
      if (!isAuthorized(one.authorization)) {
        refused.push(one)
        return reply(401)
      }
      asked.push(one)
      await waits.get(path)?.(one)
      const changed = overrides.get(path)?.(one)
      if (changed) reply(changed.status, changed.body, changed.headers)
      else answer(one, reply)
      for (const look of waiting) look()
    })

  serve('/streams', ({ method, streamId, body }, reply) => {
    if (method === 'GET' && streamId === null) return reply(200, streams)
    const index = streams.findIndex(({ stream_id }) => stream_id === (streamId ?? body.stream_id))
    if (method !== 'POST' && index < 0) return reply(404)
    if (method === 'GET') return reply(200, streams[index])
    if (method === 'DELETE') {
      streams.splice(index, 1)
      return reply(204)
    }
    if (method === 'PATCH') {
      Object.assign(streams[index], body)
      return reply(200, streams[index])
    }
    created += 1
    const id = `stream-${created}`
    const delivery = { endpoint_url: `${url}/poll`, ...body.delivery }
    const stream = {
      ...body,
      stream_id: id,
      iss: url,
      aud: AUDIENCE,
      delivery,
      events_delivered: body.events_requested,
    }
    streams.push(stream)
    reply(201, stream)
  })
  serve('/status', (_, reply) => reply(200, { stream_id: 'stream-1', status: 'enabled' }))
  serve('/verify', (_, reply) => reply(204))
  serve('/poll', ({ body }, reply) => {
    for (const jti of [...body.ack, ...Object.keys(body.setErrs)]) pending.delete(jti)
    const answer = () => {
      held = null
      const most = eventsAtOnce ?? body.maxEvents
      reply(200, {
        sets: Object.fromEntries([...pending].slice(0, most)),
        moreAvailable: pending.size > most,
      })
    }
    held = answer
    if (pending.size > 0 || body.returnImmediately) answer()
  })

  return {
    issuer,
    streams,
    asked,
    refused,
    until: (isWanted) =>
      new Promise((resolve) => {
        const look = () => {
          const found = asked.find(isWanted)
          if (!found) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
      }),
    queue(jti, token) {
      pending.set(jti, token)
      held?.()
    },
    override(path, answer) {
      if (answer === null) overrides.delete(path)
      else overrides.set(path, typeof answer === 'function' ? answer : () => answer)
    },
    before: (path, wait) => void waits.set(path, wait),
    stream: (id, members = {}) => ({
      stream_id: id,
      iss: url,
      delivery: { method: POLL, endpoint_url: `${url}/poll` },
      description: 'Curfew (idp)',
      ...members,
    }),
  }
}

/** Starts the real service, which keeps a stream at the transmitter. */
export async function keepStreamAt(
  t: Test,
  fake: FakeTransmitter,
  {
    transmitter = {},
    source = {},
    ...options
  }: { transmitter?: object; source?: object } & ServiceOptions = {},
): Promise<{
  service: SourceService
  entry: object
  set: (different?: SetOptions) => Promise<string>
}> {
  const entry = {
    kind: 'shared-signals',
    name: 'idp',
    issuer: fake.issuer.url,
    audience: AUDIENCE,
    transmitter: { delivery: 'poll', ...('oauth' in transmitter ? {} : { token: TOKEN }), ...transmitter },
    ...source,
  }
  const service = await startWithSources(t, [entry], options)
  const now = () => (options.clock ?? Date).now()
  /** Queues a token and returns its jti. */
  const set = async (different: SetOptions = {}) => {
    const claims = setClaims(fake.issuer.url, now(), different)
    fake.queue(claims.jti, await fake.issuer.sign(claims))
    return claims.jti
  }
  return { service, entry, set }
}

/** The health check of the stream. */
export const checkOf = async ({ call }: Service) =>
  (await call('GET', '/health/ready')).json.checks.find(({ name }: { name: string }) => name === 'stream:idp')

/** Matches a poll that acknowledges this event. */
export const acknowledged =
  (jti: string) =>
  ({ path, body }: Asked) =>
    path === '/poll' && body.ack.includes(jti)

/** Matches a poll that refuses this event. */
export const refused =
  (jti: string) =>
  ({ path, body }: Asked) =>
    path === '/poll' && jti in body.setErrs
