import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Log } from '../base/log.ts'
import { namedChanges, senderChanges } from '../config/changes.ts'
import { ConfigError, type Reloadable } from '../config/load-config.ts'
import { PROVEN, requireUnrestricted } from '../http/authenticate.ts'
import { originOf } from '../http/origin-of.ts'
import { problemAnswer } from '../http/problems.ts'
import type { Senders } from '../http/senders.ts'
import type { Tenants } from '../qlik/tenants.ts'
import { operatorEvent } from '../revocation/audit/events.ts'
import type { Recorder } from '../revocation/audit/recorder.ts'
import type { Origin } from '../revocation/origin.ts'

const count = z.number().int()
const changes = { added: count, removed: count, changed: count }
const names = z.array(z.string())
const Reloaded = z.object({
  tenants: count.describe('Number of configured tenants; the next three count tenants, too'),
  ...changes,
  sources: z.object({ added: names, removed: names, changed: names }).describe('Names of sources'),
  receivers: z.object({ added: names, removed: names, changed: names }).describe('Names of receivers'),
  apiKeys: z.object(changes),
  webhookSecrets: z.object(changes),
})
export type Reloaded = z.infer<typeof Reloaded>

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Reloads the configuration, all or nothing.
     * @param origin the sender that requests it; none for SIGHUP
     * @throws ConfigError if it is invalid; the current configuration stays active
     */
    reloadConfig(origin?: Origin): Promise<Reloaded>
  }
}

export interface ReloadOptions {
  /** Reads the configuration. */
  load: () => Promise<Reloadable>
  /** The configuration in use. */
  initial: Reloadable
  tenants: Pick<Tenants, 'replace'>
  senders: Pick<Senders, 'replace'>
  sources: { replace(sources: Reloadable['sources']): void }
  receivers: { replace(receivers: Reloadable['receivers']): void }
  recorder: Pick<Recorder, 'note'>
  log: Log
}

/** Logs settings that work but should be changed. */
export function logWarnings(log: Log, { warnings }: Pick<Reloadable, 'warnings'>): void {
  for (const warning of warnings) log.warn(warning, 'the configuration should be changed')
}

/** Returns a function that reloads the configuration. Concurrent calls run one after the other. */
export function createReload({
  load,
  initial,
  tenants,
  senders,
  sources,
  receivers,
  recorder,
  log,
}: ReloadOptions): (origin?: Origin) => Promise<Reloaded> {
  let current = initial
  let last: Promise<unknown> = Promise.resolve()

  async function reload(origin?: Origin): Promise<Reloaded> {
    try {
      const config = await load()
      // No await in between, so every request sees either the old or the new configuration.
      // First, because it can be refused.
      receivers.replace(config.receivers)
      const tenantChanges = tenants.replace(config.tenants)
      senders.replace(config.senders)
      sources.replace(config.sources)
      const changes = { ...tenantChanges, ...senderChanges(current, config) }
      recorder.note(operatorEvent('config-reloaded', namedChanges(current, config), origin))
      current = config
      logWarnings(log, config)
      const reloaded = { tenants: config.tenants.length, ...changes }
      log.info(reloaded, 'configuration reloaded')
      return reloaded
    } catch (error) {
      const mistakes = error instanceof ConfigError ? { mistakes: error.members } : { err: error }
      log.error(mistakes, 'configuration not reloaded: the current one stays active')
      throw error
    }
  }

  return (origin) => {
    const reloaded = last.then(() => reload(origin))
    last = reloaded.catch(() => {})
    return reloaded
  }
}

/** `POST /config/reload`: does the same as SIGHUP and returns the result. */
const reload: FastifyPluginAsyncZod<ReloadOptions> = async (app, options) => {
  const reloadConfig = createReload(options)
  app.decorate('reloadConfig', reloadConfig)

  app.post(
    '/config/reload',
    {
      config: { senders: ['api-key'], role: 'admin' },
      schema: {
        operationId: 'reloadConfiguration',
        summary: 'Reload the configuration',
        description:
          'Reloads tenants, sources, receivers, API keys and webhook secrets from CONFIG_FILE and from secret files. If anything ' +
          'is invalid, nothing changes. The API key must not be restricted to certain tenants.',
        tags: ['operations'],
        security: [{ apiKey: [] }],
        response: { 200: Reloaded.describe('The new configuration is active'), default: problemAnswer },
      },
    },
    async (request) => {
      requireUnrestricted(request)
      return reloadConfig(originOf(request))
    },
  )
}

export default fp(reload, { name: 'reload', ...PROVEN, encapsulate: false })
