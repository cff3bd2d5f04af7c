import swagger, { type SwaggerTransformObject } from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import packageJson from '../../package.json' with { type: 'json' }

const DESCRIPTION = `Tell Curfew that a user's session is over, and it revokes every OAuth token of that user in
Qlik Cloud, until listing again proves that none is left. An answer of 202 means: on disk.`

/** The generator makes each named schema twice, as it goes in and as it comes out; ours only come out. */
const withoutInputs: SwaggerTransformObject = (document) => {
  const object = jsonSchemaTransformObject(document)
  const schemas = 'components' in object ? (object.components?.schemas ?? {}) : {}
  for (const name of Object.keys(schemas)) if (name.endsWith('Input')) delete schemas[name]
  return object
}

/** `GET /openapi.json` and `GET /docs`, from the schemas that the routes are validated by. */
async function documentation(app: FastifyInstance) {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Curfew', version: packageJson.version, description: DESCRIPTION },
      components: {
        securitySchemes: {
          apiKey: { type: 'http', scheme: 'bearer', description: 'One of API_KEYS or of CONFIG_FILE' },
          webhook: {
            type: 'apiKey',
            in: 'header',
            name: 'webhook-signature',
            description: 'Standard Webhooks: with webhook-id and webhook-timestamp (or svix-*)',
          },
        },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: withoutInputs,
  })
  await app.register(swaggerUi, { routePrefix: '/docs' })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}

export default fp(documentation, { name: 'documentation' })
