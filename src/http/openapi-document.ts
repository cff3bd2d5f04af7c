import { z } from 'zod'
import {
  type OperationFacts,
  REQUEST_HEADERS,
  RESPONSE_HEADERS,
  type RequestHeader,
  type ResponseHeader,
} from './operation-facts.ts'

/** The parts of an OpenAPI document that are completed here. */
export interface Document {
  paths?: Record<string, Record<string, Operation | undefined> | undefined>
  components?: { schemas?: Record<string, unknown> }
}

interface Operation {
  'x-facts'?: OperationFacts
  security?: unknown[]
  parameters?: unknown[]
  requestBody?: { required?: boolean; content: Record<string, { examples?: OperationFacts['examples'] }> }
  responses?: Record<string, Response>
}

interface Response {
  description?: string
  content?: unknown
  headers?: Record<string, unknown>
}

/** Headers of `default`, which describes the errors of a route. */
const ERROR_HEADERS: readonly ResponseHeader[] = ['Retry-After', 'WWW-Authenticate']

const PROBLEM = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } }
const TOO_MANY_FAILURES = 'The request is not authenticated, and its address exceeds the limit of failures'
const OVERLOADED = 'Curfew is overloaded, or its database is unavailable: send the request again'

/** Adds the facts of each operation to a generated document. */
export function completeDocument<Generated extends Document>(document: Generated): Generated {
  // The generator creates each named schema twice, for input and output. Curfew's named schemas are output only.
  const { schemas = {} } = document.components ?? {}
  for (const name of Object.keys(schemas)) if (name.endsWith('Input')) delete schemas[name]
  for (const path of Object.values(document.paths ?? {})) {
    for (const operation of Object.values(path ?? {})) if (operation) completeOperation(operation)
  }
  return document
}

function completeOperation(operation: Operation): void {
  const {
    requestHeaders = [],
    responseHeaders = {},
    optionalBody,
    isUnlimited,
    examples,
  } = operation['x-facts'] ?? {}
  delete operation['x-facts']
  // Generated clients and linters take a route without it for an incomplete description, not for an open route.
  operation.security ??= []
  if (!isUnlimited) addLimits(operation)
  if (requestHeaders.length > 0)
    operation.parameters = [...(operation.parameters ?? []), ...requestHeaders.map(parameterOf)]
  if (operation.requestBody) {
    if (optionalBody) operation.requestBody.required = false
    if (examples) for (const media of Object.values(operation.requestBody.content)) media.examples = examples
  }
  for (const [status, response] of Object.entries(operation.responses ?? {})) {
    const names = status === 'default' ? ERROR_HEADERS : (responseHeaders[Number(status)] ?? [])
    if (names.length > 0) response.headers = { ...response.headers, ...headersOf(names) }
  }
}

/** The responses of the limits for clients, in the format of the route's other errors. */
function addLimits(operation: Operation): void {
  operation.responses ??= {}
  const { responses } = operation
  const otherError = responses.default ?? Object.entries(responses).find(([status]) => status >= '400')?.[1]
  const content = otherError?.content ?? PROBLEM
  const headers = headersOf(['Retry-After'])
  // A route without other errors authenticates nobody.
  if (otherError) responses[429] = { description: TOO_MANY_FAILURES, content, headers }
  responses[503] = { description: OVERLOADED, content, ...responses[503], headers }
}

function headersOf(names: readonly ResponseHeader[]): Record<string, object> {
  return Object.fromEntries(names.map((name) => [name, headerOf(name)]))
}

function parameterOf(name: RequestHeader): object {
  const { schema, required = false, ...rest } = { required: false, ...REQUEST_HEADERS[name] }
  return { in: 'header', name, required, ...rest, schema: jsonSchemaOf(schema) }
}

function headerOf(name: ResponseHeader): object {
  const { schema, ...rest } = RESPONSE_HEADERS[name]
  return { ...rest, schema: jsonSchemaOf(schema) }
}

/** The JSON Schema of what a client sends, as part of another document. */
export function jsonSchemaOf(schema: z.ZodType): Record<string, unknown> {
  const { $schema, ...json } = z.toJSONSchema(schema, { io: 'input' })
  return json
}
