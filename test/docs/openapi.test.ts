import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { VENDORS } from '../../src/sandbox/identity-provider/vendors.ts'
import { read } from '../support/deployment.ts'
import { tokenPlayers } from '../support/every-kind.ts'
import { startIssuer } from '../support/issuer.ts'
import { startReceiver } from '../support/receiver.ts'
import { RECEIVER_SECRET } from '../support/receivers.ts'
import { startService, temporaryFolder } from '../support/service.ts'
import { startWithSources } from '../support/source-service.ts'

// biome-ignore lint/suspicious/noExplicitAny: the document is only read
type Json = any

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
const METHODS = ['get', 'put', 'post', 'delete', 'patch']

interface Operation {
  name: string
  method: string
  path: string
  operation: Json
}

function operationsOf({ paths }: Json): Operation[] {
  return Object.entries<Json>(paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      operation: item[method],
    })),
  )
}

async function documentOf(t: Test) {
  const service = await startService(t)
  const document: Json = (await service.call('GET', '/openapi.json')).json
  return { service, document, operations: operationsOf(document) }
}

async function lint(t: Test, document: Json): Promise<Json> {
  const file = join(temporaryFolder(t), 'openapi.json')
  writeFileSync(file, JSON.stringify(document))
  const cli = join(ROOT, 'node_modules/@redocly/cli/bin/cli.js')
  const config = join(ROOT, 'redocly.yaml')
  const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
  const args = [cli, 'lint', file, '--config', config, '--format', 'json']
  const { stdout } = await run(process.execPath, args, { env }).catch((error) => error)
  return JSON.parse(stdout)
}

t.test('the OpenAPI document has no lint errors or warnings', async (t) => {
  const { document } = await documentOf(t)
  const { totals, problems } = await lint(t, document)
  t.match(totals, { errors: 0, warnings: 0 }, { problems })
  delete document.paths['/logout-hook'].post.operationId
  document.paths['/metrics'].get.security = undefined
  const defects = (await lint(t, document)).problems.map(({ ruleId }: Json) => ruleId)
  t.same(defects.sort(), ['operation-operationId', 'security-defined'], 'the lint finds defects')
})

t.test('each operation has an id, and the page of the HTTP API lists it', async (t) => {
  const { operations } = await documentOf(t)
  const rows = [...read('docs/reference/http.md').matchAll(/^\| \[`(.*?)`\]\(.*\| `(\w+)` \|$/gm)]
  t.same(
    Object.fromEntries(rows.map(([, route, id]) => [route, id])),
    Object.fromEntries(operations.map(({ name, operation }) => [name, operation.operationId])),
  )
  t.equal(new Set(operations.map(({ operation }) => operation.operationId)).size, operations.length)
})

t.test('each request body has an example', async (t) => {
  const { operations } = await documentOf(t)
  for (const { name, operation } of operations) {
    const media = Object.values<Json>(operation.requestBody?.content ?? {})
    for (const { examples, schema } of media) {
      t.ok(schema, name)
      t.ok(Object.keys(examples ?? {}).length > 0, name)
    }
  }
  const required = operations.filter(({ operation }) => operation.requestBody?.required === false)
  t.same(
    required.map(({ name }) => name),
    ['POST /users/{id}/revoke-all'],
  )
})

const PATH_VALUES: Record<string, string> = { id: '66a9eafe2f4c4b5b8a1d2c3e', sid: 'a/b c' }

function examplesOf({ operation }: Operation): { value: Json; summary: string }[] {
  return Object.values(operation.requestBody?.content['application/json']?.examples ?? {})
}

/** The examples of the headers, with a key of its own for each request. */
function headersOf({ parameters = [] }: Json, nth: number): Record<string, string> {
  const named = parameters.filter(({ name }: Json) => name === 'Prefer' || name === 'Idempotency-Key')
  return Object.fromEntries(
    named.map(({ name, example }: Json) => [
      name,
      name === 'Prefer' ? 'wait=0' : `${example}-${nth}`.replaceAll('"', ''),
    ]),
  )
}

t.test('the service accepts the examples', async (t) => {
  const clerk = VENDORS.find(({ kind }) => kind === 'clerk')
  const players = tokenPlayers(await startIssuer(t))
  const login = players.find(({ kind }) => kind === 'oidc-back-channel-logout')
  if (!clerk || !login) throw new Error('No such source')
  const service = await startWithSources(
    t,
    [
      { ...login.entry, name: 'login' },
      { name: 'clerk', kind: 'clerk', secret: clerk.secret },
    ],
    { receivers: [{ name: 'siem', url: (await startReceiver(t)).url, secret: RECEIVER_SECRET }] },
  )
  const operations = operationsOf((await service.call('GET', '/openapi.json')).json)
  const own = operations.filter(({ operation }) => operation.security.some((one: Json) => one.apiKey))
  let sent = 0
  for (const one of own) {
    for (const { value, summary } of examplesOf(one)) {
      const url = one.path.replaceAll(/\{(\w+)\}/g, (_, key) => encodeURIComponent(PATH_VALUES[key] ?? ''))
      const request = { body: value, headers: headersOf(one.operation, sent) }
      const { status, text } = await service.call(one.method, url, request)
      t.ok(status < 300, `${one.name}: ${summary}: ${text}`)
      sent += 1
    }
  }
  t.ok(sent >= 7)

  const webhook = operations.find(({ operation }) => operation.operationId === 'receiveWebhook')
  for (const { value, summary } of webhook ? examplesOf(webhook) : []) {
    const body = JSON.stringify(value)
    const headers = await clerk.sign(body, { secret: clerk.secret, at: Date.now() })
    const answer = await fetch(`${service.url}/sources/clerk/webhook`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body,
    })
    t.equal(answer.status, clerk.answer, summary)
    await answer.text()
  }
  const { json } = await service.call('GET', '/revocations')
  t.ok(
    json.items.some(({ source }: Json) => source === 'clerk'),
    'the example of a webhook ends a session',
  )
})

t.test('headers, servers and security are described', async (t) => {
  const { document, operations } = await documentOf(t)
  t.same(
    document.servers.map(({ url }: Json) => url),
    ['/'],
  )
  for (const path of ['/logout-hook', '/users/{id}/revoke-all'])
    for (const status of ['200', '202'])
      t.same(Object.keys(document.paths[path].post.responses[status].headers), [
        'Location',
        'Preference-Applied',
      ])
  t.same(Object.keys(document.paths['/revocations/{id}/retry'].post.responses['202'].headers), ['Location'])
  for (const { name, operation } of operations) {
    t.type(operation.security, Array, name)
    for (const [status, { headers, description }] of Object.entries<Json>(operation.responses)) {
      t.not(description, 'Default Response', `${name} ${status}`)
      if ((status === '503' && name !== 'GET /health/ready') || status === 'default')
        t.ok(headers['Retry-After'], `${name} ${status}`)
    }
  }
  const { webhook, apiKey } = document.components.securitySchemes
  t.match(apiKey, { type: 'http', scheme: 'bearer' })
  t.match(webhook, { type: 'http', scheme: 'standard-webhooks' })
})
