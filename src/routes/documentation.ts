import helmet from '@fastify/helmet'
import swagger, { type SwaggerTransformObject } from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { VERSION } from '../base/version.ts'
import { preferAlternatives } from '../http/exactly-one.ts'
import { completeDocument, type Document } from '../http/openapi-document.ts'
import { pageHeaders } from '../http/page-headers.ts'
import swaggerUi from '../http/swagger-pages.ts'

const DESCRIPTION = `Curfew receives signals that a user's session has ended, and revokes every OAuth token of that user
in Qlik Cloud. Another listing verifies that no token is left. A 202 response means that the signal is on disk.`

const TAGS = [
  { name: 'signals', description: "Reports that users' sessions have ended" },
  { name: 'revocations', description: 'Reads and retries revocations' },
  { name: 'sessions', description: 'Records users of sessions, for providers that name only sessions' },
  { name: 'sources', description: 'Requests of identity providers and other services' },
  { name: 'audit', description: 'Reads the audit trail, and erases personal data' },
  { name: 'operations', description: 'Health, metrics and configuration' },
]

const zodToJsonConfig = { override: preferAlternatives }
const transform = createJsonSchemaTransform({ zodToJsonConfig })
const transformSchemas = createJsonSchemaTransformObject({ zodToJsonConfig })
/** Cast, because the generator's type covers Swagger 2 and unresolved references, which Curfew does not generate. */
const transformObject: SwaggerTransformObject = (document) =>
  completeDocument(transformSchemas(document) as Document) as ReturnType<SwaggerTransformObject>

/** The style element that Swagger UI's bundle inserts. Browsers report the hash that another version needs. */
const SWAGGER_UI_STYLE = "'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='"

/** Swagger UI's style sheet contains its icons. */
const PAGES = pageHeaders({
  styleSrc: ["'self'", SWAGGER_UI_STYLE],
  imgSrc: ["'self'", 'data:'],
  formAction: ["'none'"],
})

/** `GET /openapi.json` and `GET /docs`, generated from the schemas that validate requests. */
async function documentation(app: FastifyInstance) {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Curfew',
        version: VERSION,
        description: DESCRIPTION,
        license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
      },
      servers: [{ url: '/', description: 'The service that serves this document' }],
      tags: TAGS,
      components: {
        securitySchemes: {
          apiKey: { type: 'http', scheme: 'bearer', description: 'An API key from API_KEYS or CONFIG_FILE' },
          webhook: {
            // Not `apiKey`: generated clients would send their API key as the signature.
            type: 'http',
            scheme: 'standard-webhooks',
            description:
              'A signature of the body in the headers webhook-id, webhook-timestamp and webhook-signature ' +
              '(https://www.standardwebhooks.com)',
          },
          issuerToken: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: 'A JWT that the issuer of the source signs for this request; not an API key',
          },
        },
      },
    },
    transform,
    transformObject,
  })
  await app.register(async (pages) => {
    await pages.register(helmet, PAGES)
    // Without a validator: it would report the address of this service to another host.
    await pages.register(swaggerUi, { routePrefix: '/docs', uiConfig: { validatorUrl: null } })
  })
  let document: Buffer | undefined
  const route = { schema: { hide: true }, config: { isForOperators: true } }
  app.get('/openapi.json', route, async (_request, reply) => {
    // One buffer for all responses that are not read yet.
    document ??= Buffer.from(JSON.stringify(app.swagger()))
    return reply.type('application/json; charset=utf-8').send(document)
  })
}

export default fp(documentation, { name: 'documentation' })
