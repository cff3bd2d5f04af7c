import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { WEBHOOK_SECRET } from '../support/service.ts'
import { EMAIL, EXAMPLES, noPython, startCurfew, startExample } from './example.ts'

const SERVERS = [
  { name: 'Express', skip: false as const, command: [process.execPath, 'express/server.js'] },
  { name: 'Fastify', skip: false as const, command: [process.execPath, 'fastify/server.js'] },
  { name: 'node:http', skip: false as const, command: [process.execPath, 'node/server.js'] },
  { name: 'Python', skip: noPython, command: ['python3', 'python/server.py'] },
] satisfies { name: string; skip: string | false; command: [string, ...string[]] }[]

/** Logs in. Keeps sending the cookie after the logout, as an attacker would. */
async function logIn(url: string) {
  const call = (method: string, path: string, cookie = '') =>
    fetch(url + path, { method, headers: { cookie }, redirect: 'manual' })
  const { headers } = await call('POST', '/login')
  const cookie = String(headers.get('set-cookie')?.split(';')[0])
  return {
    cookie,
    state: async () => (await call('GET', '/', cookie)).text(),
    logOut: () => call('POST', '/logout', cookie),
  }
}

for (const { name, skip, command } of SERVERS) {
  t.test(`${name}: a logout ends the session first, then all tokens`, { skip }, async (t) => {
    const { front, tokens, revocation } = await startCurfew(t)
    const example = await startExample(t, command, front.url)
    const user = await logIn(example.url)
    t.equal(await user.state(), 'signed in')

    const [arrived, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    front.fates.push('reset', () => {
      arrived.resolve()
      return release.promise
    })
    const answer = await user.logOut()
    t.equal(answer.status, 303)
    t.match(answer.headers.get('set-cookie'), /=;/, 'the browser forgets the cookie')
    await arrived.promise
    t.equal(await user.state(), 'signed out', 'while Curfew has not answered yet')
    t.equal(tokens().length, 2)

    const exit = example.end('SIGTERM')
    release.resolve()
    t.equal(await exit, 0, 'it ends when the request has ended')
    t.match(await revocation(), { status: 'completed', verified: true, reason: 'logout' })
    t.same(tokens(), [])
    t.ok(JSON.parse(String(front.attempts[0]?.body)).occurredAt)
    t.notMatch(example.output(), 'not ended')
    for (const secret of [EMAIL, WEBHOOK_SECRET, user.cookie]) t.notOk(example.output().includes(secret))
  })

  t.test(`${name}: a retry that waits when the server is stopped is still made`, { skip }, async (t) => {
    const { front, tokens, revocation } = await startCurfew(t)
    const example = await startExample(t, command, front.url)
    const user = await logIn(example.url)
    const rejected = Promise.withResolvers<void>()
    front.fates.push({ status: 503, headers: { 'retry-after': '1' } })
    front.onAnswered = rejected.resolve
    await user.logOut()
    await rejected.promise
    t.equal(await example.end('SIGTERM'), 0)
    t.equal(front.attempts.length, 2)
    t.match(await revocation(), { status: 'completed' })
    t.same(tokens(), [])
  })

  t.test(`${name}: without Curfew, a logout succeeds and the failure is logged`, { skip }, async (t) => {
    const { service } = await startCurfew(t)
    await service.app.close()
    const example = await startExample(t, command, service.url)
    const user = await logIn(example.url)
    t.equal((await user.logOut()).status, 303)
    t.equal(await user.state(), 'signed out')
    await example.logged('Qlik access not ended')
    const line = String(/^.*Qlik access not ended.*$/m.exec(example.output())?.[0])
    t.match(JSON.parse(line), { code: 'ECONNREFUSED', webhookId: /^msg_/, attempts: 5 })
    t.equal(await user.state(), 'signed out', 'it goes on')
    for (const secret of [EMAIL, WEBHOOK_SECRET, user.cookie]) t.notOk(example.output().includes(secret))
  })

  t.test(`${name}: nobody can sign in without DEMO_USER`, { skip }, async (t) => {
    const example = await startExample(t, command, 'http://127.0.0.1:9', { DEMO_USER: '' })
    const { status } = await fetch(`${example.url}/login`, { method: 'POST' })
    t.equal(status, 404)
    t.equal((await fetch(`${example.url}/logout`, { method: 'POST', redirect: 'manual' })).status, 303)
  })
}

t.test('every file that the README names is there', async (t) => {
  const readme = readFileSync(join(EXAMPLES, 'README.md'), 'utf8')
  const links = [...readme.matchAll(/\]\(([^)#:]+)/g)].map(([, link]) => String(link))
  const commands = [...readme.matchAll(/examples\/(\S+\.(?:js|py))/g)].map(([, file]) => String(file))
  t.ok(links.length > 5 && commands.length > 4)
  for (const file of [...links, ...commands]) t.ok(existsSync(join(EXAMPLES, file)), file)
})
