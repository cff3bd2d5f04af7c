import type { z } from 'zod'
import type { SourceContext } from '../common/part.ts'
import { KeySet } from '../token/key-set.ts'
import { type presetEntries, secretsOf } from './entry.ts'
import { type GenericConfig, genericPreset } from './generic.ts'
import type { Preset } from './preset.ts'
import { PRESETS } from './presets.ts'
import type { Verify } from './proof.ts'

export type WebhookConfig = z.infer<ReturnType<typeof presetEntries>[number]> | GenericConfig

/** A configured source: the format of its webhooks, and how they are authenticated. */
export interface WebhookSource {
  config: WebhookConfig
  preset: Preset
  verify: Verify
  /** The sender's public keys, if it signs with a private one. */
  keys: KeySet | null
}

/** Opens the source of an entry. It keeps the keys of the previous source if their address is the same. */
export function openEndpoint(
  config: WebhookConfig,
  previous: WebhookSource | null,
  { fetchJson, clock }: Pick<SourceContext, 'fetchJson' | 'clock'>,
): WebhookSource {
  const preset = config.kind === 'generic' ? genericPreset(config) : PRESETS[config.kind]
  const address = jwksUriOf(config)
  const known = previous && jwksUriOf(previous.config) === address ? previous.keys : null
  const opened = address === null ? null : new KeySet({ address: async () => address, fetchJson, clock })
  const keys = known ?? opened
  return { config, preset, verify: preset.verifier({ secrets: secretsOf(config), keys }), keys }
}

function jwksUriOf(config: WebhookConfig): string | null {
  return ('jwksUri' in config ? config.jwksUri : null) ?? null
}
