// @ts-check
// Plain node:http. `logOut` is the part to copy.
//
// A Next.js route handler uses the same function. `after` (Next.js 15.1 or later) keeps a serverless function alive
// until the retries have ended. In an older version, `await` the call before you return.
//
//   // app/logout/route.js
//   import { after } from 'next/server'
//   export async function POST(request) {
//     const session = await getSession()
//     const user = session.user
//     const occurredAt = new Date()
//     await session.destroy()
//     if (user) after(async () => {
//       const result = await curfew.endAccess(user, { reason: 'logout', occurredAt })
//       if (!result.ok) console.error(JSON.stringify({ msg: 'Qlik access not ended', ...result }))
//     })
//     return Response.redirect(new URL('/', request.url), 303)
//   }
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { CurfewClient } from 'curfew/client'

const { CURFEW_URL = '', WEBHOOK_SECRET, PORT = '8080', DEMO_USER } = process.env
const curfew = new CurfewClient({ url: CURFEW_URL, webhookSecret: WEBHOOK_SECRET })

/**
 * Stands in for your session store.
 * @type {Map<string, { user: import('curfew/client').User }>}
 */
const sessions = new Map()
const COOKIE = 'HttpOnly; SameSite=Lax; Path=/' // and `Secure`, with TLS

/** @param {string} sid */
function logOut(sid) {
  const user = sessions.get(sid)?.user
  const occurredAt = new Date()
  sessions.delete(sid)
  if (user) endAccess(user, occurredAt)
}

/**
 * Runs after the answer, so that the user does not wait for Curfew. Never throws.
 *
 * @param {import('curfew/client').User} user
 * @param {Date} occurredAt
 */
async function endAccess(user, occurredAt) {
  const result = await curfew.endAccess(user, { reason: 'logout', occurredAt })
  if (!result.ok) console.error(JSON.stringify({ msg: 'Qlik access not ended', ...result }))
}

/**
 * Stands in for your login. It signs in DEMO_USER without a password, so do not copy it.
 *
 * @param {string} email
 */
function logIn(email) {
  const sid = randomBytes(32).toString('base64url')
  sessions.set(sid, { user: { email } })
  return sid
}

const server = createServer((request, response) => {
  const sid = /(?:^|; )sid=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1] ?? ''
  const route = `${request.method} ${request.url}`
  if (route === 'POST /logout') {
    logOut(sid)
    response.writeHead(303, { location: '/', 'set-cookie': `sid=; Max-Age=0; ${COOKIE}` }).end()
  } else if (route === 'POST /login' && DEMO_USER) {
    response.writeHead(303, { location: '/', 'set-cookie': `sid=${logIn(DEMO_USER)}; ${COOKIE}` }).end()
  } else if (route === 'GET /') {
    response.writeHead(200, { 'content-type': 'text/plain' })
    response.end(sessions.has(sid) ? 'signed in' : 'signed out')
  } else {
    response.writeHead(404).end()
  }
})

server.listen(Number(PORT), '127.0.0.1', () => {
  const address = server.address()
  if (address && typeof address === 'object') console.log(`listening on http://127.0.0.1:${address.port}`)
})
// Node exits when the last answer is sent and the last retry has ended.
process.once('SIGTERM', () => server.close())
