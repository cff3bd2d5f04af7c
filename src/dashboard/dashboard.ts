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
import type { Role } from '../base/role.ts'
import { pageHeaders } from '../http/page-headers.ts'
import { sendProblem, toCurfewError, toProblem } from '../http/problems.ts'
import { Api, ApiError, type ApiProblem } from './api.ts'
import { ASSETS } from './assets.ts'
import { csrfField, type Html, type PageOptions, PREFIX, page, problemBox } from './layout.ts'
import { type Operator, signIn } from './operator.ts'
import { PAGES } from './pages.ts'
import { DashboardSessions, SESSION_MS } from './session.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Null until the operator of a page is authenticated. */
    operator: Operator | null
  }
}

const COOKIE = 'curfew-session'
const SIGN_IN = `${PREFIX}/sign-in`
/** Longer than any API key that Curfew creates. */
const BODY_LIMIT_BYTES = 4_096
/** See `Page`. */
const FORM_LIMIT_BYTES = 16_384

export interface DashboardOptions {
  /** Encrypts sessions, the same for all replicas; null for one of this process only. */
  secret: string | null
  /** Whether the pages change nothing, whatever the key allows. */
  isReadOnly: boolean
  /** Whether there are API keys: without one, nobody can sign in, and there is no dashboard. */
  hasKeys: () => boolean
  clock: Clock
}

const route = { schema: { hide: true }, config: { isForOperators: true } }
const SignIn = z.object({ key: z.string().min(1).max(1_024) })

/** The pages for operators below `/dashboard`. They read everything through Curfew's own API. */
export async function dashboard(
  app: FastifyInstance,
  { secret, isReadOnly, hasKeys, clock }: DashboardOptions,
) {
  const sessions = new DashboardSessions(
    secret === null ? randomBytes(32) : hash('sha256', secret, 'buffer'),
    clock,
  )

  app.decorateRequest('operator', null)
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

  const cookieOf = ({ protocol }: FastifyRequest) =>
    ({ path: PREFIX, httpOnly: true, sameSite: 'strict', secure: protocol === 'https' }) as const
  const requireSignIn = async (request: FastifyRequest, reply: FastifyReply) => {
    const apiKey = await sessions.open(request.cookies[COOKIE])
    if (apiKey === null) return reply.redirect(SIGN_IN, 303)
    request.operator = await signIn(new Api(app, request, apiKey), { isReadOnly, now: clock.now() })
  }
  app.setErrorHandler((thrown, request, reply) => {
    // The key has expired or was removed.
    if (thrown instanceof ApiError && thrown.status === 401)
      return reply.clearCookie(COOKIE, cookieOf(request)).redirect(SIGN_IN, 303)
    return sendError(thrown, request, reply)
  })

  for (const { path, type, content } of ASSETS)
    app.get(`${PREFIX}${path}`, route, async (_request, reply) =>
      reply.headers(CACHED).type(type).send(content),
    )

  app.get(SIGN_IN, route, async (_request, reply) => sendSignIn(reply, null))
  app.post(SIGN_IN, { ...route, preValidation: app.csrfProtection }, async (request, reply) => {
    const { key = '' } = SignIn.safeParse(request.body).data ?? {}
    try {
      const { key: found } = await signIn(new Api(app, request, key), { isReadOnly, now: clock.now() })
      if (!found.roles.includes('read')) return sendSignIn(reply.code(403), toProblem(roleRequired('read')))
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      return sendSignIn(reply.code(error.status), error.problem)
    }
    const maxAge = SESSION_MS / 1_000
    return reply
      .setCookie(COOKIE, await sessions.seal(key), { ...cookieOf(request), maxAge })
      .redirect(PREFIX, 303)
  })
  app.post(`${PREFIX}/sign-out`, { ...route, preValidation: app.csrfProtection }, async (request, reply) =>
    reply.clearCookie(COOKIE, cookieOf(request)).redirect(SIGN_IN, 303),
  )

  for (const page of PAGES) {
    const { method, path, section, handle, bodyLimitBytes = FORM_LIMIT_BYTES } = page
    const isForm = method === 'POST'
    app.route({
      ...route,
      ...{ method, url: `${PREFIX}${path}`, bodyLimit: bodyLimitBytes },
      // Before the form is read.
      onRequest: isForm ? [requireSignIn, requireMayOperate(isReadOnly)] : [requireSignIn],
      ...(isForm ? { preValidation: app.csrfProtection } : {}),
      handler: async (request, reply) => {
        const operator = operatorOf(request)
        const { params, query, body } = request
        const csrf = reply.generateCsrf()
        const answer = await handle({ ...operator, params, query, form: body, csrf, clock })
        if ('redirect' in answer) return reply.redirect(answer.redirect, 303)
        return send(reply, { ...answer, section, operator, isLive: !isForm, csrf })
      },
    })
  }
  app.get(
    `${PREFIX}/events`,
    { ...route, exposeHeadRoute: false, onRequest: requireSignIn },
    async (request, reply) => {
      const notices = new PassThrough()
      const onChunk = (chunk: Buffer) =>
        notices.write(chunk.includes('data:') ? 'data: changed\n\n' : ':\n\n')
      const end = await operatorOf(request).api.follow('/events', onChunk, () => notices.end())
      // Also if the page was left before this.
      notices.once('close', end)
      return reply.type('text/event-stream').send(notices)
    },
  )
}

/** Pages that change something are not even read for operators who may not. The API decides again. */
function requireMayOperate(isReadOnly: boolean) {
  return async (request: FastifyRequest) => {
    if (isReadOnly) throw new CurfewError('CURFEW_READ_ONLY')
    if (!operatorOf(request).mayOperate) throw roleRequired('operate')
  }
}

function roleRequired(role: Role): CurfewError {
  return new CurfewError('CURFEW_ROLE_REQUIRED', `This page requires the role "${role}".`)
}

function operatorOf({ operator }: FastifyRequest): Operator {
  if (operator === null) throw new CurfewError('CURFEW_UNAUTHENTICATED')
  return operator
}

/** The address of an asset changes with its content. */
const CACHED = { 'cache-control': 'public, max-age=31536000, immutable' }

const HEADERS = pageHeaders({ styleSrc: ["'self'"], imgSrc: ['data:'], formAction: ["'self'"] })

function send(reply: FastifyReply, options: PageOptions): FastifyReply {
  return reply.type('text/html; charset=utf-8').send(page(options))
}

function sendSignIn(reply: FastifyReply, refused: ApiProblem | null): FastifyReply {
  const token = reply.generateCsrf()
  const problem = refused ? problemBox(refused) : ''
  const content: Html = html`!${problem}<form class="panel sign-in" method="post" action="${SIGN_IN}">!${csrfField(token)}
<p><label for="key">API key with the role read</label><input id="key" name="key" type="password" autocomplete="current-password" required maxlength="1024"></p>
<button class="primary">Sign in</button></form>`
  return send(reply, { title: 'Sign in', section: null, operator: null, csrf: token, content })
}

/** Shows what is refused, with what to do. */
function sendError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  // Refused before the plugins of the dashboard have run, such as a path of another listener.
  if (!request.cookies) return sendProblem(thrown, request, reply)
  const answer = answerTo(thrown)
  if (answer.status >= 500 && !(thrown instanceof ApiError)) return sendProblem(thrown, request, reply)
  if (answer.retryAfter) reply.header('retry-after', answer.retryAfter)
  return send(reply.code(answer.status), {
    title: 'Error',
    section: null,
    operator: request.operator,
    csrf: reply.generateCsrf(),
    content: problemBox(answer.problem),
  })
}

function answerTo(thrown: unknown): Pick<ApiError, 'status' | 'problem' | 'retryAfter'> {
  if (thrown instanceof ApiError) return thrown
  const isCsrf = thrown instanceof Error && 'code' in thrown && String(thrown.code).startsWith('FST_CSRF_')
  const problem = toProblem(isCsrf ? new CurfewError('CURFEW_FORM_INVALID') : toCurfewError(thrown))
  return { status: problem.status, problem, retryAfter: undefined }
}
