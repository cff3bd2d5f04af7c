import type { IncomingMessage, ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import type { Issuer } from './issuer.ts'

export const TOKEN = 'management-token'
export const POLL = 'urn:ietf:rfc:8936'
export const PUSH = 'urn:ietf:rfc:8935'

// biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
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

/** A transmitter with stream management and polling (Shared Signals Framework 1.0). */
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
  /** Resolves with the result of this token, when a poll reports it. */
  reportOf(jti: string): { report: Promise<EventReport>; end: () => void }
  /** Removes a token that is not acknowledged yet. */
  withdraw(jti: string): void
  /** Overrides the answers at this path, to all requests or to some; null restores them. */
  override(path: string, answer: Answer | ((asked: Asked) => Answer | null) | null): void
  /** Awaits `wait` before each request to this path is served. */
  before(path: string, wait: (asked: Asked) => Promise<void>): void
  /** A poll stream as the transmitter represents it. */
  stream(id: string, members?: object): Json
}

/** The result of one event, as a poll reports it (RFC 8936, section 2.2). */
export type EventReport = { ack: string[] } | { setErrs: Record<string, unknown> }

export interface TransmitterOptions {
  /** `aud` of new streams. */
  audience: string
  /** The maximum number of events per poll, instead of the requested one. */
  eventsAtOnce?: number | null
  /** Whether a request with this header is served. */
  isAuthorized?: (header: string | undefined) => boolean
  /** Called for each requested verification of a stream; by default nothing is sent. */
  onVerify?: (stream: Json, state: unknown) => void
}

/** Adds the endpoints of a transmitter to an issuer. */
export function addTransmitter(
  issuer: Issuer,
  {
    audience,
    eventsAtOnce = null,
    isAuthorized = (header) => header === `Bearer ${TOKEN}`,
    onVerify = () => {},
  }: TransmitterOptions,
): FakeTransmitter {
  const { url } = issuer
  const streams: Json[] = []
  let created = 0
  const asked: Asked[] = []
  const refused: Asked[] = []
  const waiting = new Set<() => void>()
  const overrides = new Map<string, (asked: Asked) => Answer | null>()
  const waits = new Map<string, (asked: Asked) => Promise<void>>()
  const pending = new Map<string, string>()
  const reporters = new Map<string, (report: EventReport) => void>()
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
      aud: audience,
      delivery,
      events_delivered: body.events_requested,
    }
    streams.push(stream)
    reply(201, stream)
  })
  serve('/status', (_, reply) => reply(200, { stream_id: 'stream-1', status: 'enabled' }))
  serve('/verify', ({ body }, reply) => {
    reply(204)
    // A test may put anything into the list.
    const stream = streams.find((one) => one?.stream_id === body?.stream_id)
    if (stream) onVerify(stream, body.state)
  })
  serve('/poll', ({ body }, reply) => {
    for (const jti of [...body.ack, ...Object.keys(body.setErrs)]) {
      pending.delete(jti)
      const setErrs = { [jti]: body.setErrs[jti] }
      reporters.get(jti)?.(body.ack.includes(jti) ? { ack: [jti] } : { setErrs })
    }
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
    reportOf(jti) {
      const { promise, resolve } = Promise.withResolvers<EventReport>()
      reporters.set(jti, resolve)
      return { report: promise, end: () => void reporters.delete(jti) }
    },
    withdraw: (jti) => void pending.delete(jti),
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
