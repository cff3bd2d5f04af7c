import swagger, { type SwaggerTransformObject } from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import packageJson from '../../package.json' with { type: 'json' }

const DESCRIPTION = `Curfew receives signals that a user's session has ended, and revokes every OAuth token of that user
in Qlik Cloud. Another listing verifies that no token is left. A 202 response means that the signal is on disk.`

/** The generator creates each named schema twice, for input and output. Curfew's named schemas are output only. */
const withoutInputs: SwaggerTransformObject = (document) => {
  const object = jsonSchemaTransformObject(document)
  const schemas = 'components' in object ? (object.components?.schemas ?? {}) : {}
  for (const name of Object.keys(schemas)) if (name.endsWith('Input')) delete schemas[name]
  return object
}

/** `GET /openapi.json` and `GET /docs`, generated from the schemas that validate requests. */
async function documentation(app: FastifyInstance) {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Curfew', version: packageJson.version, description: DESCRIPTION },
      components: {
        securitySchemes: {
          apiKey: { type: 'http', scheme: 'bearer', description: 'An API key from API_KEYS or CONFIG_FILE' },
          webhook: {
            type: 'apiKey',
            in: 'header',
            name: 'webhook-signature',
            description: 'Standard Webhooks, together with webhook-id and webhook-timestamp (or svix-*)',
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
