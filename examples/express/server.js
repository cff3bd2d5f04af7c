// Express 5 with express-session. The logout route is the part to copy.
import { CurfewClient } from 'curfew/client'
import express from 'express'
import session from 'express-session'

const { CURFEW_URL, WEBHOOK_SECRET, PORT = '8080', SESSION_SECRET, DEMO_USER } = process.env
if (!SESSION_SECRET) throw new Error('Set SESSION_SECRET.')
const curfew = new CurfewClient({ url: CURFEW_URL, webhookSecret: WEBHOOK_SECRET })

const cookie = { httpOnly: true, sameSite: 'lax', secure: 'auto' }
const app = express()
// In production, pass a `store` such as connect-redis, and set `trust proxy` if a proxy terminates TLS.
app.use(session({ secret: SESSION_SECRET, resave: false, saveUninitialized: false, cookie }))

app.post('/logout', (request, response, next) => {
  const { user } = request.session
  const occurredAt = new Date()
  request.session.destroy((error) => {
    if (user) endAccess(user, occurredAt)
    if (error) return next(error)
    response.clearCookie('connect.sid').redirect(303, '/')
  })
})

/** Runs after the answer, so that the user does not wait for Curfew. Never throws. */
async function endAccess(user, occurredAt) {
  const { ok, code, webhookId, attempts } = await curfew.endAccess(user, { reason: 'logout', occurredAt })
  if (!ok) console.error(JSON.stringify({ msg: 'Qlik access not ended', code, webhookId, attempts }))
}

app.get('/', (request, response) => {
  response.type('text').send(request.session.user ? 'signed in' : 'signed out')
})

// Stands in for your login. It signs in DEMO_USER without a password, so do not copy it.
app.post('/login', (request, response, next) => {
  if (!DEMO_USER) return response.sendStatus(404)
  request.session.regenerate((error) => {
    if (error) return next(error)
    request.session.user = { email: DEMO_USER }
    response.redirect(303, '/')
  })
})

const server = app.listen(Number(PORT), '127.0.0.1', (error) => {
  if (error) throw error
  console.log(`listening on http://127.0.0.1:${server.address().port}`)
})
// Node exits when the last answer is sent and the last retry has ended.
process.once('SIGTERM', () => server.close())
