import t from 'tap'
import { startService } from '../support/service.ts'

// biome-ignore lint/suspicious/noExplicitAny: the document is only read
type Json = any

const API_KEY_OR_WEBHOOK = [{ apiKey: [] }, { webhook: [] }]
const OPEN: object[] = []
const API_KEY = [{ apiKey: [] }]
const PREFER = 'header Prefer'
const IDEMPOTENCY = 'header Idempotency-Key'
const SIGNATURE = ['header webhook-id', 'header webhook-timestamp', 'header webhook-signature']
const CHALLENGE = 'header x-okta-verification-challenge'

/** Every route of the contract, with its security, statuses except those of limits, and parameters. */
const ROUTES: [method: string, path: string, security: object[], statuses: string, parameters: string[]][] = [
  [
    'post',
    '/logout-hook',
    API_KEY_OR_WEBHOOK,
    '200 202',
    ['query dryRun', 'query sender', PREFER, IDEMPOTENCY, ...SIGNATURE],
  ],
  [
    'post',
    '/users/{id}/revoke-all',
    API_KEY,
    '200 202',
    ['query dryRun', 'query tenant', 'path id', PREFER, IDEMPOTENCY],
  ],
  ['post', '/revocations', API_KEY, '200 202', ['query dryRun', IDEMPOTENCY]],
  ['get', '/revocations/{id}', API_KEY, '200', ['path id', PREFER]],
  [
    'get',
    '/revocations',
    API_KEY,
    '200',
    [
      ...['userId', 'subject', 'email', 'status', 'outcome', 'code', 'reason', 'source', 'key', 'tenant'],
      ...['batch', 'since', 'until', 'count', 'limit', 'cursor'],
    ].map((name) => `query ${name}`),
  ],
  ['get', '/revocations/failures', API_KEY, '200', []],
  ['get', '/key', API_KEY, '200', []],
  ['get', '/revocations/{id}/timeline', API_KEY, '200', ['path id']],
  ['delete', '/revocations/{id}', API_KEY, '200', ['query force', 'path id']],
  ['post', '/revocations/{id}/retry', API_KEY, '202', ['path id']],
  ['post', '/revocations/retry', API_KEY, '200', ['query dryRun', 'query cursor']],
  ['post', '/revocations/release', API_KEY, '200', ['query dryRun', 'query cursor']],
  ['post', '/revocations/cancel', API_KEY, '200', ['query dryRun', 'query cursor', 'query force']],
  ['post', '/sources/{name}/backchannel-logout', OPEN, '200 400 503', ['path name']],
  ['post', '/sources/{name}/webhook', OPEN, '200 204 400 401 413 415 503', ['path name']],
  ['get', '/sources/{name}/webhook', OPEN, '200 400 401', ['path name', CHALLENGE]],
  [
    'post',
    '/sources/{name}/global-token-revocation',
    [{ issuerToken: [] }],
    '204 400 401 403 404 422 503',
    ['path name'],
  ],
  ['post', '/sources/{name}/events', OPEN, '202 400 503', ['path name']],
  ['put', '/sessions/{sid}', API_KEY, '204', ['path sid']],
  ['put', '/sessions', API_KEY, '204', []],
  ['delete', '/sessions', API_KEY, '204', []],
  ['delete', '/sessions/{sid}', API_KEY, '204', ['query tenant', 'query source', 'path sid']],
  [
    'get',
    '/audit',
    API_KEY,
    '200',
    [
      'userId',
      'subject',
      'email',
      'sender',
      'event',
      'revocation',
      'tenant',
      'from',
      'to',
      'limit',
      'cursor',
    ].map((name) => `query ${name}`),
  ],
  ['get', '/batches/{id}', API_KEY, '200', ['query tenant', 'path id']],
  ['get', '/status', API_KEY, '200', ['query tenant']],
  ['get', '/statistics', API_KEY, '200', ['query period', 'query tenant']],
  ['get', '/senders', API_KEY, '200', []],
  ['get', '/suggestions', API_KEY, '200', []],
  ['get', '/audit/check', API_KEY, '200', []],
  ['get', '/audit/export', API_KEY, '200', []],
  ['post', '/erasures', API_KEY, '200 202', []],
  ['get', '/events', API_KEY, '200', ['header last-event-id']],
  ['get', '/erasures/{id}', API_KEY, '200 202', ['path id']],
  ['post', '/config/reload', API_KEY, '200', []],
  ['post', '/backups', API_KEY, '201', []],
  [
    'get',
    '/notifications',
    API_KEY,
    '200',
    ['receiver', 'status', 'type', 'revocation', 'limit', 'cursor'].map((name) => `query ${name}`),
  ],
  ['post', '/notifications/{id}/redeliver', API_KEY, '200', ['path id']],
  ['post', '/notifications/redeliver', API_KEY, '200', ['query dryRun']],
  ['get', '/receivers', API_KEY, '200', []],
  ['post', '/receivers/{name}/test', API_KEY, '200', ['path name']],
  ['get', '/health/live', OPEN, '200', []],
  ['get', '/health/ready', OPEN, '200 503', []],
  ['get', '/metrics', OPEN, '200', []],
]

t.test('the OpenAPI document', async (t) => {
  const service = await startService(t)
  const {
    status,
    headers,
    json: document,
  } = await service.call('GET', '/openapi.json', { headers: { authorization: '' } })
  t.equal(status, 200)
  t.match(headers.get('content-type'), /^application\/json/)
  t.match(document, {
    openapi: /^3\.1\.\d$/,
    info: { title: 'Curfew', version: /^\d+\.\d+\.\d+$/, description: /./ },
  })

  await t.test('has exactly the routes of the contract', async (t) => {
    const described = Object.entries<Json>(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    )
    t.same(described.sort(), ROUTES.map(([method, path]) => `${method} ${path}`).sort())
  })

  await t.test('describes the authentication, request and response of each', async (t) => {
    for (const [method, path, security, statuses, parameters] of ROUTES) {
      const operation: Json = document.paths[path][method]
      t.match(operation, { summary: /./, tags: [/./] }, `${method} ${path}`)
      t.same(operation.security, security)
      const isOwn = security === API_KEY || security === API_KEY_OR_WEBHOOK
      const limits = path.startsWith('/health/') ? [] : path === '/metrics' ? ['503'] : ['429', '503']
      const all = [...new Set([...statuses.split(' '), ...limits])].sort()
      t.same(Object.keys(operation.responses), [...all, ...(isOwn ? ['default'] : [])])
      for (const status of limits)
        t.ok(operation.responses[status].headers['Retry-After'], `${path} ${status}`)
      t.same(
        (operation.parameters ?? []).map((parameter: Json) => `${parameter.in} ${parameter.name}`),
        parameters,
      )
      for (const { required, ...parameter } of operation.parameters ?? [])
        t.equal(required, parameter.in === 'path' || `header ${parameter.name}` === CHALLENGE)
      for (const { content, description } of Object.values<Json>(operation.responses)) {
        t.type(description, 'string')
        // Some responses have no body.
        for (const { schema } of Object.values<Json>(content ?? {})) t.ok(schema)
      }
      if (!isOwn) continue
      t.same(operation.responses.default.content, {
        'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
      })
    }
  })

  await t.test('describes one form of a dry run for all three routes', async (t) => {
    const one = { $ref: '#/components/schemas/DryRun' }
    const answer = (path: string) =>
      document.paths[path].post.responses['200'].content['application/json'].schema
    for (const path of ['/logout-hook', '/users/{id}/revoke-all']) t.same(answer(path).anyOf[1], one, path)
    t.same(answer('/revocations').properties.items.items.anyOf[0].properties.dryRun, one)
    const { json } = await service.call('POST', '/logout-hook?dryRun=true', {
      body: { userId: 'u1', deviceType: 'Browser' },
    })
    const { properties, required } = document.components.schemas.DryRun
    t.same(Object.keys(properties).sort(), Object.keys(json).sort())
    t.same(
      required.sort(),
      Object.keys(json)
        .filter((name) => name !== 'deviceType')
        .sort(),
    )
    const [parameter] = document.paths['/logout-hook'].post.parameters
    t.same(parameter.schema.enum.sort(), ['0', '1', 'false', 'true'])
  })

  await t.test('describes the members of bodies and allows no others', async (t) => {
    const details = ['tenant', 'reason', 'occurredAt', 'scope', 'deviceType', 'notify']
    const bodyOf = (path: string, method = 'post', type = 'application/json') =>
      document.paths[path][method].requestBody.content[type].schema
    const users = ['userId', 'subject', 'email']
    /** One closed schema for each way to name a user, with these members besides. */
    const choice = (others: string[]) =>
      users.map((name) => ({ members: [name, ...others], required: [name], additionalProperties: false }))
    const closed = ({ properties, required, additionalProperties }: Json) => ({
      ...{ members: Object.keys(properties), required, additionalProperties },
    })
    t.same(bodyOf('/logout-hook').oneOf.map(closed), choice(details))
    t.same(bodyOf('/revocations').properties.users.items.oneOf.map(closed), choice([]))
    const session = bodyOf('/sessions/{sid}', 'put')
    t.same(session.oneOf.map(closed), choice(['tenant', 'source', 'expiresAt', 'ttlSeconds']))
    t.same(session.not, { required: ['expiresAt', 'ttlSeconds'] })
    for (const [path, members] of [
      ['/users/{id}/revoke-all', details],
      ['/revocations', ['users', ...details, 'batch']],
    ] as const) {
      t.same(Object.keys(bodyOf(path).properties), members, path)
      t.equal(bodyOf(path).additionalProperties, false)
    }
    const form = bodyOf('/sources/{name}/backchannel-logout', 'post', 'application/x-www-form-urlencoded')
    t.same(Object.keys(form.properties), ['logout_token'])
    t.match(bodyOf('/revocations').properties.users, { minItems: 1, maxItems: 1_000 })
    t.match(bodyOf('/logout-hook').oneOf[0].properties, {
      userId: { type: 'string', minLength: 1, maxLength: 512 },
      reason: { enum: ['security', 'logout', 'session-expired'] },
      scope: { enum: ['issued-before', 'all'] },
    })
  })

  await t.test('is consistent: every reference resolves, and every schema is referenced', async (t) => {
    const text = JSON.stringify(document)
    const references = new Set(
      [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => String(reference)),
    )
    for (const reference of references) {
      const path = reference.replace(/^#\//, '').split('/')
      const target = path.reduce<Json>((value, name) => value?.[name], document)
      t.type(target, 'object', reference)
    }
    const schemas = Object.keys(document.components.schemas)
    t.same(schemas.map((name) => `#/components/schemas/${name}`).sort(), [...references].sort())
    t.same(Object.keys(document.components.securitySchemes).sort(), ['apiKey', 'issuerToken', 'webhook'])
    t.notMatch(text, /__SCHEMA|\$schema|undefined/)
  })

  await t.test('names every member of a revocation and of a problem', async (t) => {
    const { Revocation, Problem } = document.components.schemas
    const revocation = await service.revoke({ userId: 'u1', deviceType: 'Browser' })
    const members = Object.keys(Revocation.properties)
    t.same(
      members.filter((name) => name !== 'notify'),
      Object.keys(revocation),
    )
    t.same(
      Revocation.required,
      Object.keys(revocation).filter((name) => name !== 'deviceType'),
    )
    const { json: problem } = await service.call('POST', '/logout-hook', { body: {} })
    t.same(Object.keys(Problem.properties), Object.keys(problem))
    const optional = ['errors', 'requestId']
    t.same(
      Problem.required,
      Object.keys(problem).filter((name) => !optional.includes(name)),
    )
  })
})

t.test('/docs shows it, with all assets served by the service itself', async (t) => {
  const { call, url } = await startService(t)
  const { status, headers, text } = await call('GET', '/docs', { headers: { authorization: '' } })
  t.equal(status, 200)
  t.match(headers.get('content-type'), /^text\/html/)
  const links = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => String(link))
  t.ok(links.length > 2)
  for (const link of links) {
    const { origin, pathname } = new URL(link, `${url}/docs/`)
    t.equal(origin, url)
    t.equal((await call('GET', pathname)).status, 200, link)
  }
  t.same((await call('GET', '/docs/json')).json, (await call('GET', '/openapi.json')).json)
})
