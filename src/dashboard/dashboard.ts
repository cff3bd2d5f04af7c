import { hash, randomBytes } from 'node:crypto'
import { PassThrough } from 'node:stream'
import cookie from '@fastify/cookie'
import csrf from '@fastify/csrf-protection'
import formbody from '@fastify/formbody'
import helmet from '@fastify/helmet'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import { pageHeaders } from '../http/page-headers.ts'
import { sendProblem, toProblem } from '../http/problems.ts'
import { Api, ApiError } from './api.ts'
import { SCRIPT, STYLE } from './assets.ts'
import { csrfField, type Html, type PageOptions, PREFIX, page, problemBox } from './layout.ts'
import { PAGES } from './pages.ts'
import { DashboardSessions, SESSION_MS } from './session.ts'

const COOKIE = 'curfew-session'
/** Longer than any API key that Curfew creates. */
const BODY_LIMIT_BYTES = 4_096

export interface DashboardOptions {
  /** Encrypts sessions, the same for all replicas; null for one of this process only. */
  secret: string | null
  /** Whether there are API keys: without one, nobody can sign in, and there is no dashboard. */
  hasKeys: () => boolean
  clock: Clock
}

const route = { schema: { hide: true }, config: { isForOperators: true } }
const SignIn = z.object({ key: z.string().min(1).max(1_024) })

/** The pages for operators below `/dashboard`. They read everything through Curfew's own API. */
export async function dashboard(app: FastifyInstance, { secret, hasKeys, clock }: DashboardOptions) {
  const sessions = new DashboardSessions(
    secret === null ? randomBytes(32) : hash('sha256', secret, 'buffer'),
    clock,
  )

  await app.register(cookie)
  await app.register(csrf, {
    cookieOpts: { path: PREFIX, httpOnly: true, sameSite: 'strict' },
    getToken: ({ body }) => z.object({ _csrf: z.string() }).safeParse(body).data?._csrf,
  })
  await app.register(formbody, { bodyLimit: BODY_LIMIT_BYTES })
  await app.register(helmet, HEADERS)
  app.addHook('onRequest', async (_request, reply) => {
    if (!hasKeys()) return reply.callNotFound()
  })
  app.setErrorHandler(sendError)

  const cookieOf = ({ protocol }: FastifyRequest) =>
    ({ path: PREFIX, httpOnly: true, sameSite: 'strict', secure: protocol === 'https' }) as const
  const signedIn =
    (handle: (api: Api, request: FastifyRequest, reply: FastifyReply) => Promise<unknown>) =>
    async (request: FastifyRequest, reply: FastifyReply) => {
      const key = await sessions.open(request.cookies[COOKIE])
      if (key === null) return reply.redirect(`${PREFIX}/sign-in`, 303)
      try {
        return await handle(new Api(app, request, key), request, reply)
      } catch (error) {
        // The key has expired or was removed.
        if (!(error instanceof ApiError) || error.status !== 401) throw error
        return reply.clearCookie(COOKIE, cookieOf(request)).redirect(`${PREFIX}/sign-in`, 303)
      }
    }

  app.get(`${PREFIX}/style.css`, route, async (_request, reply) =>
    reply.type('text/css; charset=utf-8').send(STYLE),
  )
  app.get(`${PREFIX}/live.js`, route, async (_request, reply) =>
    reply.type('text/javascript; charset=utf-8').send(SCRIPT),
  )

  app.get(`${PREFIX}/sign-in`, route, async (_request, reply) => sendSignIn(reply, null))
  app.post(`${PREFIX}/sign-in`, { ...route, preValidation: app.csrfProtection }, async (request, reply) => {
    const { key = '' } = SignIn.safeParse(request.body).data ?? {}
    try {
      await new Api(app, request, key).get('/status')
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      return sendSignIn(reply.code(error.status), error)
    }
    const maxAge = SESSION_MS / 1_000
    return reply
      .setCookie(COOKIE, await sessions.seal(key), { ...cookieOf(request), maxAge })
      .redirect(PREFIX, 303)
  })
  app.post(`${PREFIX}/sign-out`, { ...route, preValidation: app.csrfProtection }, async (request, reply) =>
    reply.clearCookie(COOKIE, cookieOf(request)).redirect(`${PREFIX}/sign-in`, 303),
  )

  for (const { method, path, section, handle } of PAGES)
    app.route({
      ...route,
      method,
      url: `${PREFIX}${path}`,
      ...(method === 'POST' ? { preValidation: app.csrfProtection } : {}),
      handler: signedIn(async (api, { params, query, body }, reply) => {
        const csrf = reply.generateCsrf()
        const answer = await handle({ api, params, query, form: body, csrf })
        if ('redirect' in answer) return reply.redirect(answer.redirect, 303)
        return send(reply, { ...answer, section, csrf })
      }),
    })
  app.get(
    `${PREFIX}/events`,
    { ...route, exposeHeadRoute: false },
    signedIn(async (api, _request, reply) => {
      const notices = new PassThrough()
      const onChunk = (chunk: Buffer) =>
        notices.write(chunk.includes('data:') ? 'data: changed\n\n' : ':\n\n')
      const end = await api.follow('/events', onChunk, () => notices.end())
      // Also if the page was left before this.
      notices.once('close', end)
      return reply.type('text/event-stream').send(notices)
    }),
  )
}

const HEADERS = pageHeaders({ styleSrc: ["'self'"], imgSrc: ['data:'], formAction: ["'self'"] })

function send(reply: FastifyReply, options: PageOptions): FastifyReply {
  return reply.type('text/html; charset=utf-8').send(page(options))
}

function sendSignIn(reply: FastifyReply, error: ApiError | null): FastifyReply {
  const token = reply.generateCsrf()
  const problem = error ? problemBox(error.problem) : ''
  const content: Html = html`!${problem}<form method="post" action="${PREFIX}/sign-in">!${csrfField(token)}
<p><label for="key">API key with the role read</label><input id="key" name="key" type="password" autocomplete="current-password" required maxlength="1024"></p>
<button>Sign in</button></form>`
  return send(reply, { title: 'Sign in', section: null, csrf: token, content })
}

/** Shows what is refused, with what to do. */
function sendError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const answer = answerTo(thrown)
  if (!answer) return sendProblem(thrown, request, reply)
  const { status, problem } = answer
  return send(reply.code(status), {
    title: 'Error',
    section: 'now',
    csrf: reply.generateCsrf(),
    content: problemBox(problem),
  })
}

function answerTo(thrown: unknown): Pick<ApiError, 'status' | 'problem'> | null {
  if (thrown instanceof ApiError) return thrown
  const isCsrf = thrown instanceof Error && 'code' in thrown && String(thrown.code).startsWith('FST_CSRF_')
  return isCsrf ? { status: 403, problem: toProblem(new CurfewError('CURFEW_FORM_INVALID')) } : null
}
