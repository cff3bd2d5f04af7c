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
  responses?: Record<string, { headers?: Record<string, unknown> }>
}

/** Headers of `default`, which describes the errors of a route. */
const ERROR_HEADERS: readonly ResponseHeader[] = ['Retry-After', 'WWW-Authenticate']

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
  const { requestHeaders = [], responseHeaders = {}, optionalBody, examples } = operation['x-facts'] ?? {}
  delete operation['x-facts']
  // Generated clients and linters take a route without it for an incomplete description, not for an open route.
  operation.security ??= []
  if (requestHeaders.length > 0)
    operation.parameters = [...(operation.parameters ?? []), ...requestHeaders.map(parameterOf)]
  if (operation.requestBody) {
    if (optionalBody) operation.requestBody.required = false
    if (examples) for (const media of Object.values(operation.requestBody.content)) media.examples = examples
  }
  for (const [status, response] of Object.entries(operation.responses ?? {})) {
    const names = status === 'default' ? ERROR_HEADERS : (responseHeaders[Number(status)] ?? [])
    if (names.length > 0) response.headers = Object.fromEntries(names.map((name) => [name, headerOf(name)]))
  }
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
