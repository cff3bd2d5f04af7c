import type { Format } from '../../base/config-formats.ts'
import type { Reason, UserKind } from '../../revocation/signal.ts'
import { valueAt } from '../common/template.ts'
import type { KeySet } from '../token/key-set.ts'
import type { Verify } from './proof.ts'

/** A JSON object. */
export type Event = Record<string, unknown>

/** The secrets and keys that authenticate a sender. */
export interface ProofMaterial {
  secrets: readonly string[]
  keys: KeySet | null
}

/**
 * Describes one vendor's webhooks: how they are authenticated, where their events are, which of them end a session, and
 * for which user. To add a vendor, write a preset, a line in `presets.ts`, a test, and a page in `docs/sources/`.
 */
export interface Preset {
  verifier: (material: ProofMaterial) => Verify
  /** The events in a body, or null if the body does not have this vendor's format. */
  items: (body: unknown) => unknown[] | null
  /** Whether a body may be JSON Lines. */
  lines?: boolean
  /** Converts an event to the values for templates, by default its own members; null ignores the event. */
  normalize?: (event: Event) => Event | null
  /** Template of the vendor's event type. */
  type: string
  /**
   * The event types that end a session, and the reason. `security` ends all sessions: use it if the user must not come
   * back. `logout` ends the sessions that began before the event: use it if the user may log in again before the event
   * arrives, for example after a changed password.
   */
  events: Readonly<Record<string, Reason>>
  /** How its users are identified. */
  user: { as: UserKind; from: string }
  /** JSON Pointer to the time of an event: ISO 8601, or seconds or milliseconds since the epoch. */
  occurredAt?: string
  /** Templates of the delivery's id in the body; the first that is present is used. */
  ids?: readonly string[]
  /** The status that the vendor accepts as success. The answer is empty. */
  answer: 200 | 204
}

/** A preset that has its own kind of source. */
export interface NamedPreset extends Preset {
  /** The format of its secret in an entry. */
  secret: Format
}

export function isEvent(value: unknown): value is Event {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Sets `user_id`: `data` is a session in session events, and the user in user events. */
export function withUserId(event: Event): Event {
  const isUser = valueAt(event, '/data/object') === 'user'
  return { ...event, user_id: valueAt(event, isUser ? '/data/id' : '/data/user_id') }
}

/** A body that is one event. */
export function one(body: unknown): unknown[] | null {
  return isEvent(body) ? [body] : null
}

/** A body that is one event, or a list of them. */
export function oneOrMany(body: unknown): unknown[] | null {
  return Array.isArray(body) ? body : one(body)
}

/** A body with its events in a list at this JSON Pointer. */
export function listAt(pointer: string): Preset['items'] {
  return (body) => {
    const found = valueAt(body, pointer)
    return Array.isArray(found) ? found : null
  }
}
