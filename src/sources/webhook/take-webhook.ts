import { createHash } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { soleHeader } from '../../base/sole-header.ts'
import type { RejectedEvents } from '../../http/rejections.ts'
import type { ReplayKey } from '../../revocation/replay.ts'
import { DELIVERY_WINDOW_MS } from '../../revocation/replay.ts'
import { authenticated, type Caller } from '../common/caller.ts'
import type { SourceContext } from '../common/part.ts'
import { sourceReplay } from '../common/source-signal.ts'
import { expand } from '../common/template.ts'
import { type ConvertedEvents, convertEvents } from './convert-events.ts'
import type { WebhookSource } from './endpoint.ts'
import type { Preset } from './preset.ts'
import type { Proof, WebhookRequest } from './proof.ts'
import { type ReadBody, readBody } from './read-body.ts'

type ReceivedWebhook = Omit<WebhookRequest, 'now'>

/** Authenticates a request of a source. @throws CURFEW_SOURCE_UNPROVEN, CURFEW_KEYS_UNAVAILABLE */
export type ProveWebhook = (source: WebhookSource, request: ReceivedWebhook) => Promise<Proof>

export function createProveWebhook(clock: Pick<Clock, 'now'>): ProveWebhook {
  return async ({ verify }, request) => verify({ ...request, now: clock.now() })
}

/**
 * Accepts one request of a vendor: authenticates the bytes, then parses them. When it resolves, every signal is
 * durable.
 * @returns the status of the answer
 * @throws CURFEW_SOURCE_UNPROVEN, CURFEW_KEYS_UNAVAILABLE, CURFEW_MEDIA_TYPE, CURFEW_BODY_UNREADABLE,
 * CURFEW_REQUEST_INVALID
 */
export type TakeWebhook = (
  source: WebhookSource,
  request: ReceivedWebhook,
  caller: Caller,
) => Promise<Preset['answer']>

export interface TakeWebhookOptions
  extends Pick<SourceContext, 'accept' | 'tenants' | 'clock' | 'onIgnored' | 'onRejected'> {
  proveWebhook: ProveWebhook
}

export function createTakeWebhook(options: TakeWebhookOptions): TakeWebhook {
  const { accept, tenants, clock, proveWebhook } = options
  return async (source, { headers, body }, caller) => {
    const proof = await proveWebhook(source, { headers, body })
    const origin = authenticated(source.config, caller)
    const { config, preset } = source
    const read = readBody(body, soleHeader(headers, 'content-type'), preset)
    const now = clock.now()
    const converted = convertEvents(read.events, {
      config,
      preset,
      tenants,
      validUntil: proof.validUntil,
      now,
    })
    if (converted.signals.length > 0) {
      const delivery = { config, preset, proof, read, converted }
      await accept(converted.signals, replayOf(delivery, body, now), origin)
    }
    report(config.name, converted, { address: caller.address, origin }, options)
    return preset.answer
  }
}

interface Delivery {
  config: WebhookSource['config']
  preset: Preset
  proof: Proof
  read: ReadBody
  converted: ConvertedEvents
}

/**
 * The key that recognizes a repeated delivery: its authenticated id or, without one, a digest of the signed bytes. Null
 * if nothing distinguishes deliveries, because a second logout must not be mistaken for a repetition of the first.
 */
function replayOf(
  { config, preset, proof, read, converted }: Delivery,
  body: Buffer,
  now: number,
): ReplayKey | null {
  const idInBody = (preset.ids ?? []).map((template) => expand(template, read.body)).find((id) => id !== null)
  const id = proof.deliveryId ?? idInBody
  if (id === undefined && !proof.timestamp && !converted.isDated) return null
  const digest = createHash('sha256')
    .update(`${proof.timestamp ?? ''}\n`)
    .update(body)
    .digest('base64url')
  const isUsable = id !== undefined && /^[\x21-\x7e]{1,256}$/.test(id)
  const keepUntil = now + DELIVERY_WINDOW_MS
  // A repetition is rejected after validUntil, so the digest need not be kept for longer.
  return isUsable
    ? sourceReplay(config, id, keepUntil)
    : sourceReplay(config, digest, Math.min(proof.validUntil, keepUntil))
}

/** Reports ignored events, and rejected ones by code. */
function report(
  source: string,
  { ignored, rejected }: ConvertedEvents,
  from: Pick<RejectedEvents, 'address' | 'origin'>,
  { onIgnored, onRejected }: Pick<TakeWebhookOptions, 'onIgnored' | 'onRejected'>,
): void {
  if (ignored > 0) onIgnored(source, ignored)
  for (const [error, ...others] of Map.groupBy(rejected, ({ code }) => code).values()) {
    if (error)
      onRejected({ ...from, error, events: 1 + others.length, source, route: 'POST /sources/:name/webhook' })
  }
}
