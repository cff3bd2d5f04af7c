import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { CurfewError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { ConfigError, type Reloadable } from '../config/load-config.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { problemAnswer } from '../http/problems.ts'
import type { Senders } from '../http/senders.ts'
import type { Tenants } from '../qlik/tenants.ts'

const count = z.number().int()
const Reloaded = z.object({
  tenants: count.describe('How many there are now'),
  added: count,
  removed: count,
  changed: count,
})
export type Reloaded = z.infer<typeof Reloaded>

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Reads the configuration anew and puts it in place of the one at work: all of it, or nothing.
     * @throws ConfigError, and then the old one goes on working
     */
    reloadConfig(): Promise<Reloaded>
  }
}

export interface ReloadOptions {
  /** Reads the configuration. */
  load: () => Promise<Reloadable>
  tenants: Pick<Tenants, 'replace'>
  senders: Pick<Senders, 'replace'>
  sources: { replace(sources: Reloadable['sources']): void }
  log: Log
}

/** Logs what works in the configuration but should be changed. */
export function logWarnings(log: Log, { warnings }: Pick<Reloadable, 'warnings'>): void {
  for (const warning of warnings) log.warn(warning, 'the configuration should be changed')
}

/** Reads the configuration anew when asked to; those who ask at the same time, one after the other. */
export function createReload({
  load,
  tenants,
  senders,
  sources,
  log,
}: ReloadOptions): () => Promise<Reloaded> {
  let last: Promise<unknown> = Promise.resolve()

  async function reload(): Promise<Reloaded> {
    try {
      const config = await load()
      // Nothing is awaited in between: every request sees the one or the other.
      const changes = tenants.replace(config.tenants)
      senders.replace(config.senders)
      sources.replace(config.sources)
      logWarnings(log, config)
      const reloaded = { tenants: config.tenants.length, ...changes }
      log.info(reloaded, 'the configuration was read anew')
      return reloaded
    } catch (error) {
      const mistakes = error instanceof ConfigError ? { mistakes: error.members } : { err: error }
      log.error(mistakes, 'the configuration was not replaced: the one before goes on working')
      throw error
    }
  }

  return () => {
    const reloaded = last.then(reload)
    last = reloaded.catch(() => {})
    return reloaded
  }
}

/** `POST /config/reload`: what SIGHUP does, with an answer. */
const reload: FastifyPluginAsyncZod<ReloadOptions> = async (app, options) => {
  const reloadConfig = createReload(options)
  app.decorate('reloadConfig', reloadConfig)

  app.post(
    '/config/reload',
    {
      config: { senders: ['api-key'] },
      schema: {
        summary: 'Read the configuration anew',
        description:
          'Tenants, API keys and webhook secrets, from CONFIG_FILE and from files with secrets: all of it or, where ' +
          'anything is wrong, nothing. With an API key that is not bounded to tenants.',
        tags: ['operations'],
        security: [{ apiKey: [] }],
        response: { 200: Reloaded, default: problemAnswer },
      },
    },
    async (request) => {
      if (provenSender(request).tenants !== null) throw new CurfewError('CURFEW_FORBIDDEN')
      return reloadConfig()
    },
  )
}

export default fp(reload, { name: 'reload', ...PROVEN, encapsulate: false })
