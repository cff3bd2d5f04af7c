import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import diagnostics from 'node:diagnostics_channel'
import { promisify } from 'node:util'
import type { FastifyInstance, RouteOptions } from 'fastify'
import t, { type Test } from 'tap'
import { ERRORS } from '../../src/base/errors.ts'
import { VENDORS } from '../../src/sandbox/identity-provider/vendors.ts'
import { testClock } from '../support/clock.ts'
import { read } from '../support/deployment.ts'
import { type Player, tokenPlayers } from '../support/every-kind.ts'
import { startIssuer } from '../support/issuer.ts'
import { startReceiver } from '../support/receiver.ts'
import { RECEIVER_SECRET } from '../support/receivers.ts'
import { API_KEY, startService } from '../support/service.ts'
import { startWithSources } from '../support/source-service.ts'

// biome-ignore lint/suspicious/noExplicitAny: JSON that is only read
type Json = any

const run = promisify(execFile)
const PAGE = read('docs/reference/http.md')
/** What follows each heading, up to the next one of whatever level. */
const SECTIONS = new Map(
  [...PAGE.matchAll(/^##+ (.+)\n([\s\S]*?)(?=^##|(?![\s\S]))/gm)].map(([, title, text]) => [
    String(title),
    String(text),
  ]),
)
const ROUTES = [...SECTIONS].filter(([title]) => /^[A-Z]+ \//.test(title))

t.test('the page has a section and a row for each route of the app, and for no other', async (t) => {
  // Before its routes are noted: the tenant is an app of its own.
  const share = await startService(t)
  const registered: string[] = []
  const watch = (message: unknown) => {
    const { fastify } = message as { fastify: FastifyInstance }
    fastify.addHook('onRoute', ({ method, url }: RouteOptions) => {
      for (const one of [method].flat()) registered.push(`${one} ${url.replaceAll(/:(\w+)/g, '{$1}')}`)
    })
  }
  diagnostics.subscribe('fastify.initialization', watch)
  t.teardown(() => diagnostics.unsubscribe('fastify.initialization', watch))
  await startService(t, { share })
  // Each GET has a HEAD, and the page of /docs has files of its own. docs/how-to/dashboard.md describes the pages.
  const others = /^(HEAD|OPTIONS) |^GET \/docs\/|^GET \/docs\*|^\w+ \/dashboard/
  const routes = registered.filter((route) => !others.test(route))
  t.same(ROUTES.map(([title]) => title).sort(), [...new Set(routes)].sort())
  const rows = [...PAGE.matchAll(/^\| \[`([A-Z]+ .*?)`\]\(#(.*?)\)/gm)]
  t.same(
    rows.map(([, route]) => route),
    ROUTES.map(([title]) => title),
  )
  for (const [, route, anchor] of rows)
    t.equal(
      anchor,
      String(route)
        .toLowerCase()
        .replaceAll(/[^a-z -]/g, '')
        .replaceAll(' ', '-'),
    )
})

/** The page lists them once, for all routes. */
const LIMITS = ['429', '503']

/** The rows of a section's table with these columns. */
function rowsOf(section: string, columns: string): string[][] {
  const text = SECTIONS.get(section)?.split(`| ${columns} |\n`)[1] ?? ''
  const table = text.split('\n\n')[0] ?? ''
  return table
    .split('\n')
    .slice(1)
    .map((row) =>
      row
        .split('|')
        .map((cell) => cell.trim())
        .slice(1),
    )
}

/** The parameters that a section lists, and those that it refers to. */
function parametersOf(section: string): string[] {
  const own = rowsOf(section, 'Parameter | In | Meaning').map(([name, where]) => `${where} ${name}`)
  const text = SECTIONS.get(section) ?? ''
  const [, list = ''] = /^- \*\*Parameters:\*\* (.*)$/m.exec(text) ?? []
  const others = ['User', 'Details'].filter((other) => list.includes(`](#${other.toLowerCase()})`))
  return [...own, ...others.flatMap(parametersOf)]
}

/** The members of a body; of all alternatives if it has several. */
function membersOf({ oneOf, properties }: Json = {}): string[] {
  return [...new Set([{ properties }, ...(oneOf ?? [])].flatMap((one) => Object.keys(one.properties ?? {})))]
}

t.test('the page lists the parameters and statuses of the OpenAPI document', async (t) => {
  const { call } = await startService(t)
  const { paths } = (await call('GET', '/openapi.json')).json
  for (const [title] of ROUTES) {
    const [method, path] = title.toLowerCase().split(' ')
    const operation: Json = paths[String(path)]?.[String(method)]
    // Those that serve the document itself are not in it.
    if (!operation) continue
    const parameters = (operation.parameters ?? []).map(({ in: where, name }: Json) => `${where} \`${name}\``)
    const [content] = Object.values<Json>(operation.requestBody?.content ?? {})
    const members = membersOf(content?.schema).map((name) => `body \`${name}\``)
    t.same(parametersOf(title).sort(), [...parameters, ...members].sort(), title)

    const answers = [
      ...rowsOf(title, 'Status | Code | Meaning'),
      ...rowsOf(title, 'Status | `error` | Meaning'),
      ...rowsOf(title, 'Status | `err` | Meaning'),
    ]
    const statuses = new Set(answers.map(([status]) => status))
    const declared = Object.keys(operation.responses).filter((status) => status !== 'default')
    for (const status of declared)
      if (!LIMITS.includes(status)) t.ok(statuses.has(status), `${title} ${status}`)
    for (const [status, codes = ''] of answers) {
      if (!operation.responses.default) t.ok(declared.includes(String(status)), `${title} ${status}`)
      else if (!declared.includes(String(status))) t.match(codes, /`CURFEW_/, `${title} ${status}`)
      for (const [code] of codes.matchAll(/CURFEW_\w+/g))
        t.equal(String(ERRORS[code as keyof typeof ERRORS]?.status), status, code)
    }
  }
})

interface Example {
  section: string
  command: string
  status: number
  headers: [string, string][]
  body: Json
}

/** `…` after a comma stands for other members. */
const OTHERS = '…'

const EXAMPLES: Example[] = [...SECTIONS].flatMap(([section, text]) =>
  [...text.matchAll(/^```bash\n([\s\S]*?)^```\n\n^```http\n([\s\S]*?)^```/gm)].map(([, command, answer]) => {
    const [head = '', ...rest] = String(answer).split('\n\n')
    const [line = '', ...headers] = head.trim().split('\n')
    const body = rest.join('\n\n').replaceAll(/,\s*…\s*}/g, `, "${OTHERS}": true }`)
    return {
      section,
      command: String(command),
      status: Number(line.split(' ')[1]),
      headers: headers.map((header): [string, string] => {
        const [name = '', ...value] = header.split(': ')
        return [name, value.join(': ')]
      }),
      body: body.trim() === '' ? undefined : JSON.parse(body),
    }
  }),
)

/** Where the evidence may be one or the other: what was looked at last. */
const EITHER = '/proof/role'

/** Texts that differ from one answer to the next, or that docs/errors.md holds. */
const VARIES = /…|^\d{4}-\d\d-\d\dT|^[0-9a-f]{8}-[0-9a-f]{4}-|^[0-9a-f]{24}$|^req-/

/**
 * Compares an answer with the one that the page shows: the same members, and the same texts where they do not vary.
 * Notes which id stands for which.
 */
function compare(t: Test, actual: Json, shown: Json, place: string, ids: Map<string, string>): void {
  if (typeof shown === 'string' && (VARIES.test(shown) || place.endsWith(EITHER))) {
    if (/^[0-9a-f-]{36}$/.test(shown)) ids.set(shown, String(actual))
    t.type(actual, 'string', place)
  } else if (typeof shown === 'object' && shown !== null) {
    const { [OTHERS]: others, ...members } = shown
    if (others === undefined) t.same(Object.keys(actual ?? {}).sort(), Object.keys(members).sort(), place)
    for (const [name, value] of Object.entries(members))
      compare(t, actual?.[name], value, `${place}/${name}`, ids)
  } else t.equal(actual, shown, place)
}

const TOKEN_SOURCES = {
  login: 'oidc-back-channel-logout',
  okta: 'global-token-revocation',
  events: 'shared-signals',
}

/** Requests of sources as the examples name them. */
async function startForExamples(t: Test) {
  const players: Player[] = tokenPlayers(await startIssuer(t))
  const entries = Object.entries(TOKEN_SOURCES).map(([name, kind]) => ({
    ...players.find((player) => player.kind === kind)?.entry,
    name,
  }))
  const signed = async (kind: string) => {
    const request = await players.find((player) => player.kind === kind)?.sign()
    if (!request) throw new Error(`No player of ${kind}`)
    return request
  }
  const [clerk, hook] = ['clerk', 'okta-event-hook'].map((kind) => VENDORS.find((one) => one.kind === kind))
  if (!clerk || !hook) throw new Error('No such vendors')
  const service = await startWithSources(
    t,
    [
      ...entries,
      { name: 'users', kind: 'clerk', secret: clerk.secret },
      { name: 'hooks', kind: 'okta-event-hook', secret: hook.secret, ...hook.entry },
    ],
    { receivers: [{ name: 'siem', url: (await startReceiver(t)).url, secret: RECEIVER_SECRET }] },
  )
  const event = JSON.stringify(clerk.sample(randomUUID()))
  const proof = await clerk.sign(event, { secret: clerk.secret, at: Date.now() })
  const logout = new URLSearchParams((await signed('oidc-back-channel-logout')).body).get('logout_token')
  const env = {
    API_KEY,
    LOGOUT_TOKEN: String(logout),
    OKTA_JWT: String((await signed('global-token-revocation')).headers.authorization).replace('Bearer ', ''),
    SECURITY_EVENT_TOKEN: (await signed('shared-signals')).body,
    CLERK_EVENT: event,
    SVIX_ID: String(proof['svix-id']),
    SVIX_TIMESTAMP: String(proof['svix-timestamp']),
    SVIX_SIGNATURE: String(proof['svix-signature']),
    OKTA_HOOK_SECRET: hook.secret,
  }
  return { service, env }
}

t.test('each route has an example, and the examples answer as the page shows', async (t) => {
  const shown = new Set(EXAMPLES.map(({ section }) => section))
  for (const [title] of ROUTES) t.ok(shown.has(title), title)
  const { service, env } = await startForExamples(t)
  const { tenant } = service.sandbox
  const ids = new Map<string, string>()
  const ann = tenant.addUser({ email: 'ann@example.com' })
  tenant.issueTokens(ann.id, 1, { deviceType: 'Browser' })
  service.userWithTokens(1, { id: '66a9eafe2f4c4b5b8a1d2c3f' })
  service.userWithTokens(1, { email: 'bob@example.com' })
  tenant.order({ kind: 'status', status: 403, route: 'list' })
  const failing = await service.call('POST', '/users/failing/revoke-all')
  await service.ended(failing.json.id)

  for (const { section, command, status, headers, body } of EXAMPLES) {
    const text = [...ids].reduce((text, [from, to]) => text.replaceAll(from, to), command)
    const [, named] = /\/revocations\/([0-9a-f-]{36})/.exec(text) ?? []
    if (section === 'GET /revocations/{id}') {
      // It has ended already: only its confirming listing is waited for.
      testClock.skip(6_500)
      await service.settled(String(named))
    }
    const { stdout } = await run('sh', ['-c', text.replaceAll('http://localhost:3000', service.url)], {
      env: { ...process.env, ...env },
      maxBuffer: 8 * 1024 * 1024,
    })
    const [head = '', ...rest] = stdout.split('\r\n\r\n')
    const [line = '', ...lines] = head.split('\r\n')
    t.equal(Number(line.split(' ')[1]), status, `${section}: ${rest}`)
    for (const [name, value] of headers) {
      const actual = lines.find((one) => one.startsWith(`${name}: `))?.slice(name.length + 2)
      if (name === 'location') t.match(actual, /^\/revocations\/[0-9a-f-]{36}$/)
      else t.equal(actual, value, `${section} ${name}`)
    }
    if (body !== undefined) compare(t, JSON.parse(rest.join('\r\n\r\n')), body, section, ids)
  }
})
