import { createHash } from 'node:crypto'
import type { FastifyBodyParser, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { CurfewError, invalidMember } from '../errors.ts'
import type { ReplayKey } from '../revocation/store.ts'
import { KeysUnavailable } from '../sources/key-set.ts'
import type { OpenSource } from '../sources/sources.ts'
import { expand } from '../sources/template.ts'
import { type Endpoint, openEndpoint, WEBHOOK_KINDS, type WebhookKind } from '../sources/webhook/endpoint.ts'
import { type Judgement, judge } from '../sources/webhook/judge.ts'
import type { Preset } from '../sources/webhook/preset.ts'
import type { Proof } from '../sources/webhook/proof.ts'
import { type ParseJson, type ReadBody, readBody } from '../sources/webhook/read-body.ts'
import { problemAnswer } from './problems.ts'
import { bodyOf, SourceParams, type SourceRouteOptions, sourceOf, withRawBodies } from './sources.ts'

/** As much as a vendor sends at once: Auth0 gathers logs, Okta events. */
const BODY_LIMIT_BYTES = 1024 * 1024
/** Where nothing in a request tells how old it is, or not soon enough, it is remembered for longer than any vendor goes on sending it. */
const UNTIMED_MEMORY_MS = 24 * 60 * 60_000
export interface VendorWebhookOptions extends SourceRouteOptions {
  /** Counts what never gets to be accepted: events that end no session, and those of a batch that are of no use. */
  count: (source: string, result: 'ignored' | 'rejected') => void
}

const EMPTY = z.undefined().describe('All of it is durable; the body is empty')

/**
 * `POST /sources/{name}/webhook`: a vendor tells what has happened to its users. Proven over the bytes, then parsed; all
 * that ends a session is made durable together, then answered. `GET` answers the challenge of an Okta event hook.
 */
export default withRawBodies<VendorWebhookOptions>((app, options) => {
  const parser = app.getDefaultJsonParser('error', 'error')
  const endpointOf = endpoints()

  app.post(
    '/sources/:name/webhook',
    {
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        summary: 'Events of a vendor',
        description:
          "In the vendor's own form, proven in its own way. Up to 1,000 events; those that end no session are ignored.",
        tags: ['sources'],
        params: SourceParams,
        response: { 200: EMPTY, 204: EMPTY, ...problems(400, 401, 413, 415, 503) },
      },
    },
    async (request, reply) => {
      const source = sourceOf(request, options.sources, ...WEBHOOK_KINDS)
      const { preset, verify } = endpointOf(source)
      const proof = await prove(request, verify, options)
      const type = request.headers['content-type']
      const read = readBody(bodyOf(request), type, preset, strictJson(parser, request))
      const judgement = judge(read.events, {
        config: source.config,
        preset,
        tenants: options.tenants,
        now: options.clock.now(),
      })
      if (judgement.signals.length > 0)
        await options.accept(judgement.signals, replayOf(request, { source, preset, proof, read }, options))
      report(request, source, judgement, options)
      return reply.header('cache-control', 'no-store').code(preset.answer).send()
    },
  )

  app.get(
    '/sources/:name/webhook',
    {
      schema: {
        summary: 'The challenge of an Okta event hook',
        description:
          'Answers with the value of `x-okta-verification-challenge`; for sources of that kind, and with their secret only.',
        tags: ['sources'],
        params: SourceParams,
        response: {
          200: z.object({ verification: z.string() }).describe('The challenge'),
          ...problems(400, 401),
        },
      },
    },
    async (request, reply) => challenge(request, reply, { ...options, endpointOf }),
  )
})

/** For the documentation: who may call is a matter of the source, so there is no scheme that would imply them. */
function problems(...statuses: number[]) {
  return Object.fromEntries(statuses.map((status) => [status, problemAnswer]))
}

/** By Fastify's own parser, which refuses `__proto__` and `constructor.prototype` and calls back before it returns. */
function strictJson(parser: FastifyBodyParser<string>, request: FastifyRequest): ParseJson {
  return (text) => {
    let failure: Error | null = new Error('not parsed')
    let value: unknown
    parser(request, text, (error, body) => {
      failure = error
      value = body
    })
    if (failure) throw failure
    return value
  }
}

/** Opens each source once: keys are made of its secrets. */
function endpoints(): (source: Parameters<typeof openEndpoint>[0]) => Endpoint {
  const opened = new WeakMap<object, Endpoint>()
  return (source) => {
    const known = opened.get(source)
    if (known) return known
    const endpoint = openEndpoint(source)
    opened.set(source, endpoint)
    return endpoint
  }
}

/** @throws CURFEW_SOURCE_UNPROVEN, CURFEW_KEYS_UNAVAILABLE */
async function prove(
  request: FastifyRequest,
  verify: Endpoint['verify'],
  { clock }: SourceRouteOptions,
): Promise<Proof> {
  try {
    const headers = request.raw.headersDistinct
    return await verify({ headers, body: bodyOf(request), now: clock.now() })
  } catch (error) {
    if (!(error instanceof KeysUnavailable)) throw error
    throw new CurfewError('CURFEW_KEYS_UNAVAILABLE', undefined, { cause: error, retryAfterSeconds: 5 })
  }
}

interface Delivery {
  source: OpenSource<WebhookKind>
  preset: Preset
  proof: Proof
  read: ReadBody
}

/** By the delivery's id, which is proven with the rest; where there is none, by what is signed. */
function replayOf(
  request: FastifyRequest,
  { source, preset, proof, read }: Delivery,
  { clock }: SourceRouteOptions,
): ReplayKey {
  const told = (preset.ids ?? []).map((template) => expand(template, read.body)).find((id) => id !== null)
  const id = proof.deliveryId ?? told ?? ''
  const hash = createHash('sha256').update(`${proof.timestamp ?? ''}\n`)
  const digest = hash.update(bodyOf(request)).digest('base64url')
  const key = `source:${source.config.name}:${/^[\x21-\x7e]{1,256}$/.test(id) ? id : digest}`
  return { key, fingerprint: null, ...(proof.isTimed ? {} : { keepUntil: clock.now() + UNTIMED_MEMORY_MS }) }
}

/** Counts and logs what was not accepted. What it said stays out of the log: it names users. */
function report(
  { log }: FastifyRequest,
  { config }: OpenSource<WebhookKind>,
  { ignored, rejected }: Judgement,
  { count }: VendorWebhookOptions,
): void {
  for (let index = 0; index < ignored; index += 1) count(config.name, 'ignored')
  for (const _ of rejected) count(config.name, 'rejected')
  const codes = [...new Set(rejected.map(({ code }) => code))]
  if (codes.length > 0)
    log.warn({ source: config.name, events: rejected.length, codes }, 'events of a source are of no use')
}

type EndpointOf = ReturnType<typeof endpoints>

/**
 * https://developer.okta.com/docs/concepts/event-hooks/#one-time-verification-request. Okta sends the secret with it, too: so a
 * wrong one shows when the hook is set up, not by events that are refused, which Okta does not send again.
 * @throws CURFEW_SOURCE_UNPROVEN, CURFEW_REQUEST_INVALID
 */
async function challenge(
  request: FastifyRequest,
  reply: FastifyReply,
  { endpointOf, ...options }: VendorWebhookOptions & { endpointOf: EndpointOf },
): Promise<{ verification: string }> {
  const source = sourceOf(request, options.sources, 'okta-event-hook')
  await prove(request, endpointOf(source).verify, options)
  const [verification, ...others] = request.raw.headersDistinct['x-okta-verification-challenge'] ?? []
  if (verification === undefined || others.length > 0 || !/^[\x21-\x7e]{1,1024}$/.test(verification))
    throw invalidMember('x-okta-verification-challenge', 'expected one, of 1 to 1,024 printable characters')
  reply.header('cache-control', 'no-store')
  return { verification }
}
