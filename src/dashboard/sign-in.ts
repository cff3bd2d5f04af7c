import type { FastifyInstance, FastifyReply } from 'fastify'
import { html } from 'ghtml'
import { z } from 'zod'
import { toProblem } from '../http/problems.ts'
import { Api, ApiError, type ApiProblem } from './api.ts'
import { cookieFor, csrfFor, ROUTE, roleRequired, SESSION_COOKIE, SIGN_IN, sendPage } from './http.ts'
import { csrfField, type Html, PREFIX, problemBox } from './layout.ts'
import { signIn } from './operator.ts'
import { type DashboardSessions, SESSION_MS } from './session.ts'

const SignIn = z.object({ key: z.string().min(1).max(1_024) })

/** The form that asks for an API key and begins a session, and the one that ends it. */
export function signInRoutes(
  app: FastifyInstance,
  sessions: DashboardSessions,
  optionsNow: () => Parameters<typeof signIn>[1],
): void {
  app.get(SIGN_IN, ROUTE, async (_request, reply) => sendSignIn(reply, null))
  app.post(SIGN_IN, { ...ROUTE, preValidation: app.csrfProtection }, async (request, reply) => {
    const { key = '' } = SignIn.safeParse(request.body).data ?? {}
    try {
      const { key: found } = await signIn(new Api(app, request, key), optionsNow())
      if (!found.roles.includes('read')) return sendSignIn(reply.code(403), toProblem(roleRequired('read')))
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      return sendSignIn(reply.code(error.status), error.problem)
    }
    const maxAge = SESSION_MS / 1_000
    return reply
      .setCookie(SESSION_COOKIE, await sessions.seal(key), { ...cookieFor(request), maxAge })
      .redirect(PREFIX, 303)
  })
  app.post(`${PREFIX}/sign-out`, { ...ROUTE, preValidation: app.csrfProtection }, async (request, reply) =>
    reply.clearCookie(SESSION_COOKIE, cookieFor(request)).redirect(SIGN_IN, 303),
  )
}

function sendSignIn(reply: FastifyReply, refused: ApiProblem | null): FastifyReply {
  const csrf = csrfFor(reply)
  const problem = refused ? problemBox(refused) : ''
  const content: Html = html`!${problem}<form class="panel sign-in" method="post" action="${SIGN_IN}">!${csrfField(csrf)}
<p><label for="key">API key with the role read</label><input id="key" name="key" type="password" autocomplete="current-password" required maxlength="1024"></p>
<button class="primary">Sign in</button></form>`
  return sendPage(reply, { title: 'Sign in', section: null, operator: null, csrf, content })
}
