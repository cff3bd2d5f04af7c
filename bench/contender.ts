import { createQlikApi } from '@qlik/api'
import pThrottle from 'p-throttle'
import { Agent, type Dispatcher, interceptors } from 'undici'
import { z } from 'zod'

/** Tools that a team could use instead of Curfew. Each logs users out in its own process, with one OAuth client. */
export const TOOLS = [
  'loop over @qlik/api',
  'undici, 8 workers, retries',
  'p-throttle at the documented rate',
] as const
export type Tool = (typeof TOOLS)[number]

/** The argument of the process, as JSON. */
export const ContenderSettings = z.object({
  tool: z.enum(TOOLS),
  tenantUrl: z.string(),
  client: z.object({ id: z.string(), secret: z.string() }),
  /** Deletes per window; ten times as many reads. */
  permits: z.int(),
  windowMs: z.int(),
})
export type ContenderSettings = z.infer<typeof ContenderSettings>

/** A message to the process: log these users out. The answer is the error that ended the attempt, or null. */
export const LogOutOrder = z.object({ userIds: z.array(z.string()) })
export const LogOutAnswer = z.object({ error: z.string().nullable() })

/** Logs all users out. Rejects if the tool gives up. */
type LogOut = (userIds: readonly string[]) => Promise<void>

/** For all users' tokens. */
const SCOPE = 'admin_classic'
const PAGE = 100
const WORKERS = 8
/** As many as Curfew uses by default. */
const CONNECTIONS = 16

/** As in Qlik's examples: one call after the other, and an error ends the program. */
function loopOverQlikApi({ tenantUrl, client }: ContenderSettings): LogOut {
  const credentials = { clientId: client.id, clientSecret: client.secret, scope: SCOPE }
  const { oauthTokens } = createQlikApi({
    hostConfig: { host: tenantUrl, authType: 'oauth2', ...credentials },
  })
  return async (userIds) => {
    for (const userId of userIds) {
      const ids: string[] = []
      const first = await oauthTokens.getOauthTokens({ userId, limit: PAGE })
      for (let page: typeof first | undefined = first; page; page = await page.next?.())
        ids.push(...page.data.data.map(({ id }) => id))
      for (const id of ids) await oauthTokens.deleteOauthToken(id)
    }
  }
}

/** Retries up to 5 times, after the time in `Retry-After`. */
async function undiciWithRetries(settings: ContenderSettings): Promise<LogOut> {
  // By default, undici waits at most 30 s and would give up before a window of Qlik's 300 s ends.
  const retry = interceptors.retry({ maxTimeout: settings.windowMs + 1_000 })
  const api = await openApi(settings, new Agent({ connections: WORKERS }).compose(retry))
  return async (userIds) => {
    const ids: string[] = []
    await inParallel(WORKERS, userIds, async (userId) => void ids.push(...(await api.list(userId))))
    await inParallel(WORKERS, ids, api.revoke)
  }
}

async function throttled(settings: ContenderSettings): Promise<LogOut> {
  const { permits, windowMs } = settings
  const api = await openApi(settings, new Agent({ connections: CONNECTIONS }))
  const list = pThrottle({ limit: permits * 10, interval: windowMs })(api.list)
  const revoke = pThrottle({ limit: permits, interval: windowMs })(api.revoke)
  return async (userIds) => {
    const ids = (await Promise.all(userIds.map((userId) => list(userId)))).flat()
    const results = await Promise.allSettled(ids.map((id) => revoke(id)))
    const failed = results.find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
  }
}

const Grant = z.object({ access_token: z.string() })
const Page = z.object({
  data: z.array(z.object({ id: z.string() })),
  links: z.object({ next: z.object({ href: z.string() }).optional() }),
})

async function openApi({ tenantUrl, client }: ContenderSettings, dispatcher: Dispatcher) {
  const send = async (
    method: 'GET' | 'POST' | 'DELETE',
    url: URL,
    headers: Record<string, string>,
    body = '',
  ) => {
    const { origin, pathname, search } = url
    const options = { origin, path: pathname + search, method, headers, body: body === '' ? null : body }
    const response = await dispatcher.request(options)
    const text = await response.body.text()
    if (response.statusCode >= 300) throw new Error(`${method} ${pathname}: ${response.statusCode}`)
    return text === '' ? null : JSON.parse(text)
  }
  const grant = new URLSearchParams({
    ...{ grant_type: 'client_credentials', client_id: client.id, client_secret: client.secret },
    scope: SCOPE,
  })
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const answer = await send('POST', new URL('/oauth/token', tenantUrl), form, String(grant))
  const headers = { authorization: `Bearer ${Grant.parse(answer).access_token}` }
  return {
    async list(userId: string): Promise<string[]> {
      const ids: string[] = []
      const first = new URL(`/api/v1/oauth-tokens?userId=${userId}&limit=${PAGE}`, tenantUrl)
      for (let url: URL | null = first; url !== null; ) {
        const { data, links }: z.infer<typeof Page> = Page.parse(await send('GET', url, headers))
        ids.push(...data.map(({ id }) => id))
        url = links.next === undefined ? null : new URL(links.next.href)
      }
      return ids
    },
    async revoke(id: string): Promise<void> {
      await send('DELETE', new URL(`/api/v1/oauth-tokens/${id}`, tenantUrl), headers)
    },
  }
}

async function inParallel<T>(workers: number, items: readonly T[], work: (item: T) => Promise<void>) {
  const queue = items.values()
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (const item of queue) await work(item)
    }),
  )
}

if (import.meta.main) {
  const settings = ContenderSettings.parse(JSON.parse(String(process.argv[2])))
  const tools: Record<Tool, (settings: ContenderSettings) => LogOut | Promise<LogOut>> = {
    'loop over @qlik/api': loopOverQlikApi,
    'undici, 8 workers, retries': undiciWithRetries,
    'p-throttle at the documented rate': throttled,
  }
  const logOut = await tools[settings.tool](settings)
  process.on('message', async (message) => {
    const { userIds } = LogOutOrder.parse(message)
    const error = await logOut(userIds).then(
      () => null,
      (reason: unknown) => String(reason),
    )
    process.send?.({ error })
  })
  process.once('SIGTERM', () => process.exit(0))
  process.send?.({ url: '' })
}
