import { ConfiguredSources } from '../common/configured-sources.ts'
import type { SourcePart } from '../common/part.ts'
import { openEndpoint, type WebhookConfig, type WebhookSource } from './endpoint.ts'
import { presetEntries } from './entry.ts'
import { generic } from './generic.ts'
import { PRESET_KINDS } from './presets.ts'
import { oktaChallengeRoute, vendorWebhookRoute } from './route.ts'
import { createProveWebhook, createTakeWebhook } from './take-webhook.ts'

/** Webhooks of vendors, and of any other service that an entry describes. */
export const webhooks: SourcePart<WebhookConfig> = {
  kinds: [...PRESET_KINDS, 'generic'],
  entries: (values) => [...presetEntries(values), generic(values)],
  open(context) {
    const sources = new ConfiguredSources<WebhookSource>((config, previous) =>
      openEndpoint(config, previous, context),
    )
    const proveWebhook = createProveWebhook(context.clock)
    const takeWebhook = createTakeWebhook({ ...context, proveWebhook })
    return {
      async routes(app) {
        await app.register(vendorWebhookRoute(sources, takeWebhook))
        await app.register(oktaChallengeRoute(sources, proveWebhook))
      },
      replace: (entries) => sources.replace(entries),
      keys: () =>
        sources.all().flatMap(({ config, keys }) => (keys === null ? [] : [{ source: config.name, keys }])),
    }
  },
}
