import type { Form } from '../../base/config-forms.ts'
import type { Reason, UserKind } from '../../revocation/signal.ts'
import { valueAt } from '../common/template.ts'
import type { KeySet } from '../token/key-set.ts'
import type { Verify } from './proof.ts'

/** An object of JSON. */
export type Event = Record<string, unknown>

/** What a source's entry holds to prove its sender by. */
export interface ProofMaterial {
  secrets: readonly string[]
  keys: KeySet | null
}

/**
 * What one vendor's webhooks look like: how they are proven, where their events are, which of them end a session, and whom
 * they are about. A further vendor is one of these, a line in `presets.ts`, a test, and a page in `docs/sources/`.
 */
export interface Preset {
  verifier: (material: ProofMaterial) => Verify
  /** The events in a body, or null where it is none of this vendor's. */
  items: (body: unknown) => unknown[] | null
  /** Whether a body may be lines of JSON. */
  lines?: boolean
  /** What templates may name of an event, where that is not its own members; null for one that did not happen. */
  normalize?: (event: Event) => Event | null
  /** Template of an event's type, as the vendor calls it. */
  type: string
  /**
   * The types that end a session, and why: `security` where the user is not to come back, which ends all sessions;
   * `logout` where they may log in again before the event is here, which ends those that began before it. So a changed
   * password is a `logout`.
   */
  events: Readonly<Record<string, Reason>>
  /** How its users are called. */
  user: { as: UserKind; from: string }
  /** Where an event says when it was: a JSON Pointer to ISO 8601, or to seconds or milliseconds since the epoch. */
  occurredAt?: string
  /** Templates of the delivery's id in its body; the first that it has is taken. */
  ids?: readonly string[]
  /** What the vendor takes for a success; the body is empty. */
  answer: 200 | 204
}

/** A preset that is a kind of source by its name. */
export interface NamedPreset extends Preset {
  /** The form of its secret, in an entry. */
  secret: Form
}

export function isEvent(value: unknown): value is Event {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
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
