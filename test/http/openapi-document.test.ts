import t from 'tap'
import { completeDocument, type Document } from '../../src/http/openapi-document.ts'
import { SIGNAL_FACTS } from '../../src/http/operation-facts.ts'

// biome-ignore lint/suspicious/noExplicitAny: the document is only read
type Json = any

function complete(post: object): Json {
  const document: Document = { paths: { '/': { post } } }
  return completeDocument(document).paths?.['/']?.post
}

t.test('an operation without facts needs no authentication, and its errors have headers', async (t) => {
  const { default: errors, 200: success } = complete({ responses: { 200: {}, default: {} } }).responses
  t.strictSame(complete({}).security, [])
  t.strictSame(success, {})
  t.strictSame(Object.keys(complete({ responses: { 200: {} } }).responses), ['200', '503'])
  t.strictSame(Object.keys(errors.headers), ['Retry-After', 'WWW-Authenticate'])
})

t.test('the limits for clients are responses in the format of the other errors', async (t) => {
  const content = { 'application/json': {} }
  const { responses } = complete({ responses: { 204: {}, 400: { content }, 503: { description: 'Own' } } })
  for (const status of [429, 503])
    t.match(responses[status], { content, headers: { 'Retry-After': { schema: { type: 'integer' } } } })
  t.equal(responses[503].description, 'Own')
  const probe = complete({ responses: { 200: {}, 503: {} }, 'x-facts': { isUnlimited: true } })
  t.strictSame(probe.responses, { 200: {}, 503: {} })
})

t.test('the facts of an operation become parameters, headers and examples', async (t) => {
  const examples = { one: { summary: 'One', value: {} } }
  const operation = complete({
    'x-facts': { ...SIGNAL_FACTS, optionalBody: true, examples },
    security: [{ apiKey: [] }],
    parameters: [{ in: 'path', name: 'id' }],
    requestBody: { required: true, content: { 'application/json': {} } },
    responses: { 200: {}, 204: {} },
  })
  t.equal(operation['x-facts'], undefined)
  t.strictSame(operation.security, [{ apiKey: [] }])
  t.strictSame(
    operation.parameters.map(({ name }: Json) => name),
    ['id', 'Prefer', 'Idempotency-Key'],
  )
  t.match(operation.parameters[1], {
    in: 'header',
    required: false,
    schema: { type: 'string' },
    example: 'wait=10',
  })
  t.strictSame(operation.requestBody, { required: false, content: { 'application/json': { examples } } })
  t.strictSame(Object.keys(operation.responses[200].headers), ['Location', 'Preference-Applied'])
  t.equal(operation.responses[204].headers, undefined)
})

t.test('a body is required unless the facts say that it is optional', async (t) => {
  t.equal(complete({ requestBody: { required: true, content: {} } }).requestBody.required, true)
})

t.test('schemas for input are removed: named schemas describe responses', async (t) => {
  const document: Document = { components: { schemas: { Problem: {}, ProblemInput: {} } } }
  t.strictSame(completeDocument(document).components?.schemas, { Problem: {} })
})
