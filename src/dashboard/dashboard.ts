import { hash, randomBytes } from 'node:crypto'
import { PassThrough } from 'node:stream'
import cookie from '@fastify/cookie'
import csrf from '@fastify/csrf-protection'
import formbody from '@fastify/formbody'
import helmet from '@fastify/helmet'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import { pageHeaders } from '../http/page-headers.ts'
import { sendProblem, toCurfewError, toProblem } from '../http/problems.ts'
import { Api, ApiError } from './api.ts'
import { ASSETS } from './assets.ts'
import {
  cookieFor,
  csrfFor,
  ROUTE,
  roleRequired,
  SESSION_COOKIE,
  SIGN_IN,
  sendPage,
  sessionOf,
} from './http.ts'
import { PREFIX, problemBox } from './layout.ts'
import { type Operator, signIn } from './operator.ts'
import { PAGES } from './pages.ts'
import { DashboardSessions } from './session.ts'
import { signInRoutes } from './sign-in.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Null until the operator of a page is authenticated. */
    operator: Operator | null
  }
}

/** Longer than any API key that Curfew creates. */
const BODY_LIMIT_BYTES = 4_096
/** See `Page`. */
const FORM_LIMIT_BYTES = 32_768

export interface DashboardOptions {
  /** Encrypts sessions, the same for all replicas; null for one of this process only. */
  secret: string | null
  /** Whether the pages change nothing, whatever the key allows. */
  isReadOnly: boolean
  /** Whether there are API keys: without one, nobody can sign in, and there is no dashboard. */
  hasKeys: () => boolean
  clock: Clock
}

/** The pages for operators below `/dashboard`. They read everything through Curfew's own API. */
export async function dashboard(
  app: FastifyInstance,
  { secret, isReadOnly, hasKeys, clock }: DashboardOptions,
) {
  const key = secret === null ? randomBytes(32) : hash('sha256', secret, 'buffer')
  const sessions = new DashboardSessions(key, clock)
  const optionsNow = () => ({ isReadOnly, now: clock.now() })

  app.decorateRequest('operator', null)
  await app.register(cookie)
  await app.register(csrf, {
    csrfOpts: { hmacKey: hash('sha256', Buffer.concat([Buffer.from('csrf'), key])) },
    getUserInfo: sessionOf,
    getToken: ({ body }) => z.object({ _csrf: z.string() }).safeParse(body).data?._csrf,
  })
  await app.register(formbody, { bodyLimit: BODY_LIMIT_BYTES })
  await app.register(helmet, HEADERS)
  app.addHook('onRequest', async (_request, reply) => {
    if (!hasKeys()) return reply.callNotFound()
  })
  app.setErrorHandler((thrown, request, reply) => {
    // The key has expired or was removed.
    if (thrown instanceof ApiError && thrown.status === 401)
      return reply.clearCookie(SESSION_COOKIE, cookieFor(request)).redirect(SIGN_IN, 303)
    return sendError(thrown, request, reply)
  })

  const requireSignIn = async (request: FastifyRequest, reply: FastifyReply) => {
    const apiKey = await sessions.open(request.cookies[SESSION_COOKIE])
    if (apiKey === null) return reply.redirect(SIGN_IN, 303)
    request.operator = await signIn(new Api(app, request, apiKey), optionsNow())
  }
  assetRoutes(app)
  signInRoutes(app, sessions, optionsNow)
  pageRoutes(app, [requireSignIn], [requireSignIn, requireMayOperate(isReadOnly)], clock)
  eventRoute(app, requireSignIn)
}

/** The address of an asset changes with its content. */
const CACHED = { 'cache-control': 'public, max-age=31536000, immutable' }

function assetRoutes(app: FastifyInstance): void {
  for (const { path, type, content } of ASSETS)
    app.get(`${PREFIX}${path}`, ROUTE, async (_request, reply) =>
      reply.headers(CACHED).type(type).send(content),
    )
}

/** @param toRead checks before a page is shown; `toChange` before a form is read */
function pageRoutes(
  app: FastifyInstance,
  toRead: onRequestAsyncHookHandler[],
  toChange: onRequestAsyncHookHandler[],
  clock: Clock,
): void {
  for (const page of PAGES) {
    const { method, path, section, handle, bodyLimitBytes = FORM_LIMIT_BYTES, isLive } = page
    const isForm = method === 'POST'
    app.route({
      ...ROUTE,
      ...{ method, url: `${PREFIX}${path}`, bodyLimit: bodyLimitBytes },
      onRequest: isForm ? toChange : toRead,
      ...(isForm ? { preValidation: app.csrfProtection } : {}),
      handler: async (request, reply) => {
        const operator = operatorOf(request)
        const { params, query, body } = request
        const csrf = csrfFor(reply)
        const answer = await handle({ ...operator, params, query, form: body, csrf, clock })
        if ('redirect' in answer) return reply.redirect(answer.redirect, 303)
        const { status = 200, ...shown } = answer
        return sendPage(reply.code(status), { ...shown, section, operator, isLive: isLive ?? !isForm, csrf })
      },
    })
  }
}

/** Streams a notice to a page after each event. */
function eventRoute(app: FastifyInstance, requireSignIn: onRequestAsyncHookHandler): void {
  const options = { ...ROUTE, exposeHeadRoute: false, onRequest: requireSignIn }
  app.get(`${PREFIX}/events`, options, async (request, reply) => {
    const notices = new PassThrough()
    const onChunk = (chunk: Buffer) => notices.write(chunk.includes('data:') ? 'data: changed\n\n' : ':\n\n')
    const end = await operatorOf(request).api.follow('/events', onChunk, () => notices.end())
    // Also if the page was left before this.
    notices.once('close', end)
    // The proxy nginx would collect the events.
    return reply.type('text/event-stream').header('x-accel-buffering', 'no').send(notices)
  })
}

/** Pages that change something are not even read for operators who may not. The API decides again. */
function requireMayOperate(isReadOnly: boolean) {
  return async (request: FastifyRequest) => {
    if (isReadOnly) throw new CurfewError('CURFEW_READ_ONLY')
    if (!operatorOf(request).mayOperate) throw roleRequired('operate')
  }
}

function operatorOf({ operator }: FastifyRequest): Operator {
  if (operator === null) throw new CurfewError('CURFEW_UNAUTHENTICATED')
  return operator
}

const HEADERS = pageHeaders({ styleSrc: ["'self'"], imgSrc: ['data:'], formAction: ["'self'"] })

/** Shows what is refused, with what to do. */
function sendError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  // Refused before the plugins of the dashboard have run, such as a path of another listener.
  if (!request.cookies) return sendProblem(thrown, request, reply)
  const answer = answerTo(thrown)
  if (answer.status >= 500 && !(thrown instanceof ApiError)) return sendProblem(thrown, request, reply)
  if (answer.retryAfter) reply.header('retry-after', answer.retryAfter)
  return sendPage(reply.code(answer.status), {
    title: 'Error',
    section: null,
    operator: request.operator,
    csrf: csrfFor(reply),
    content: problemBox(answer.problem),
  })
}

function answerTo(thrown: unknown): Pick<ApiError, 'status' | 'problem' | 'retryAfter'> {
  if (thrown instanceof ApiError) return thrown
  const isCsrf = thrown instanceof Error && 'code' in thrown && String(thrown.code).startsWith('FST_CSRF_')
  const problem = toProblem(isCsrf ? new CurfewError('CURFEW_FORM_INVALID') : toCurfewError(thrown))
  return { status: problem.status, problem, retryAfter: undefined }
}
