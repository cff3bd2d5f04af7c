import { context } from '@opentelemetry/api'
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici'
import { runIn } from './run-spans.ts'

/** Paths of Qlik Cloud; `*` matches one segment. */
const TEMPLATES = [
  '/oauth/token',
  '/api/v1/users/me',
  '/api/v1/users/{userId}',
  '/api/v1/users',
  '/api/v1/oauth-tokens/{tokenId}',
  '/api/v1/oauth-tokens',
].map((template) => ({ template, matches: new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`) }))

/** The template of a path of Qlik Cloud, which may contain user ids and e-mail addresses; null if it is unknown. */
export function templateOf(path: string): string | null {
  const [bare = ''] = path.split('?', 1)
  return TEMPLATES.find(({ matches }) => matches.test(bare))?.template ?? null
}

/**
 * Adds a client span to each call of a run to Qlik Cloud. Other calls, such as fetching the keys of an identity provider,
 * may be made for senders that are not authenticated.
 */
export function traceCalls(): UndiciInstrumentation {
  return new UndiciInstrumentation({
    ignoreRequestHook: () => !runIn(context.active())?.span.isRecording(),
    startSpanHook: ({ path }) => {
      const template = templateOf(path)
      return template === null ? {} : { 'url.template': template }
    },
    requestHook: (span, { method, path }) =>
      span.updateName([method, templateOf(path) ?? []].flat().join(' ')),
  })
}
