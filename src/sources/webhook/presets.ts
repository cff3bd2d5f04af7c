import type { NamedPreset } from './preset.ts'
import { auth0LogStream } from './presets/auth0-log-stream.ts'
import { clerk } from './presets/clerk.ts'
import { fusionauth } from './presets/fusionauth.ts'
import { keycloak } from './presets/keycloak.ts'
import { oktaEventHook } from './presets/okta-event-hook.ts'
import { qlik } from './presets/qlik.ts'
import { stytch } from './presets/stytch.ts'
import { supabase } from './presets/supabase.ts'
import { workos } from './presets/workos.ts'

/** The presets of all vendors, by kind of source. */
export const PRESETS = {
  clerk,
  stytch,
  supabase,
  workos,
  'okta-event-hook': oktaEventHook,
  'auth0-log-stream': auth0LogStream,
  fusionauth,
  keycloak,
  qlik,
} as const satisfies Record<string, NamedPreset>
export type PresetKind = keyof typeof PRESETS

export const PRESET_KINDS = Object.keys(PRESETS) as PresetKind[]
