import type { z } from 'zod'
import type { KeySet } from '../token/key-set.ts'
import { type presetEntries, secretsOf } from './entry.ts'
import { type GenericConfig, genericPreset } from './generic.ts'
import type { Preset } from './preset.ts'
import { PRESET_KINDS, PRESETS } from './presets.ts'
import type { Verify } from './proof.ts'

/** The kinds of sources that send webhooks. */
export const WEBHOOK_KINDS = [...PRESET_KINDS, 'generic'] as const
export type WebhookKind = (typeof WEBHOOK_KINDS)[number]
export type WebhookConfig = z.infer<ReturnType<typeof presetEntries>[number]> | GenericConfig

export interface Endpoint {
  preset: Preset
  verify: Verify
}

/** A source that is configured, with what proves its webhooks. */
export interface WebhookSource {
  config: WebhookConfig
  endpoint: Endpoint
}

/** What the webhooks of a source look like, and what proves them. */
export function openEndpoint(config: WebhookConfig, keys: KeySet | null): Endpoint {
  const preset = config.kind === 'generic' ? genericPreset(config) : PRESETS[config.kind]
  return { preset, verify: preset.verifier({ secrets: secretsOf(config), keys }) }
}
