// Fastify 5 with @fastify/session. The logout route is the part to copy.
import cookies from '@fastify/cookie'
import session from '@fastify/session'
import { CurfewClient } from 'curfew/client'
import Fastify from 'fastify'

const { CURFEW_URL, WEBHOOK_SECRET, PORT = '8080', SESSION_SECRET, DEMO_USER } = process.env
const curfew = new CurfewClient({ url: CURFEW_URL, webhookSecret: WEBHOOK_SECRET })
if (!SESSION_SECRET) throw new Error('Set SESSION_SECRET, at least 32 characters.')

const app = Fastify({ logger: true })
app.register(cookies)
// In production, pass a `store` such as connect-redis, and set `trustProxy` if a proxy terminates TLS.
app.register(session, {
  secret: SESSION_SECRET,
  saveUninitialized: false,
  cookie: { httpOnly: true, sameSite: 'lax', secure: 'auto' },
})

app.post('/logout', async (request, reply) => {
  const user = request.session.get('user')
  const occurredAt = new Date()
  try {
    await request.session.destroy()
  } finally {
    if (user) endAccess(user, occurredAt, request.log)
  }
  return reply.clearCookie('sessionId', { path: '/' }).redirect('/', 303)
})

/** Runs after the answer, so that the user does not wait for Curfew. Never throws. */
async function endAccess(user, occurredAt, log) {
  const result = await curfew.endAccess(user, { reason: 'logout', occurredAt })
  if (!result.ok) log.error(result, 'Qlik access not ended')
}

app.get('/', async (request) => (request.session.get('user') ? 'signed in' : 'signed out'))

// Stands in for your login. It signs in DEMO_USER without a password, so do not copy it.
app.post('/login', async (request, reply) => {
  if (!DEMO_USER) return reply.callNotFound()
  await request.session.regenerate()
  request.session.set('user', { email: DEMO_USER })
  return reply.redirect('/', 303)
})

await app.listen({ port: Number(PORT), host: '127.0.0.1' })
// Node exits when the last answer is sent and the last retry has ended.
process.once('SIGTERM', () => app.close())
