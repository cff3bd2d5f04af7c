import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import swagger from '@fastify/swagger'
import swaggerUi, { type FastifySwaggerUiOptions } from '@fastify/swagger-ui'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { CurfewError } from '../base/errors.ts'

interface Page {
  status: number
  headers: Record<string, string>
  body: Buffer
}

/** Of a page, because only the content of a page depends on the plugin. */
const KEPT_HEADERS = ['content-type', 'location', 'etag', 'last-modified', 'cache-control']

/**
 * The pages of @fastify/swagger-ui, served from memory: each response shares one buffer, however many clients ask and however
 * slowly they read. A path that names no page causes no access to files. Takes the plugin's options.
 */
export default async function swaggerPages(app: FastifyInstance, options: FastifySwaggerUiOptions) {
  const prefix = options.routePrefix ?? '/documentation'
  let pages: Promise<ReadonlyMap<string, Page>> | null = null

  async function serve(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    pages ??= render(JSON.stringify(app.swagger()), { ...options, routePrefix: prefix })
    const [path = ''] = request.url.split('?')
    const page = (await pages).get(path)
    if (!page) throw new CurfewError('CURFEW_NOT_FOUND')
    const { etag } = page.headers
    if (etag !== undefined && request.headers['if-none-match'] === etag)
      return reply.code(304).headers(page.headers).send()
    return reply.code(page.status).headers(page.headers).send(page.body)
  }

  const route = { schema: { hide: true }, config: { isForOperators: true } }
  for (const url of [prefix, `${prefix}/*`]) app.get(url, route, serve)
}

/** Every page, by path. */
async function render(document: string, options: FastifySwaggerUiOptions & { routePrefix: string }) {
  const app = Fastify()
  await app.register(swagger, { mode: 'static', specification: { document: JSON.parse(document) } })
  await app.register(swaggerUi, options)
  const folder = fileURLToPath(new URL('static', import.meta.resolve('@fastify/swagger-ui')))
  const names = ['', '/', '/json', '/yaml', '/static/swagger-initializer.js']
  const files = readdirSync(folder).map((file) => `/static/${file}`)
  const pages = new Map<string, Page>()
  for (const name of [...names, ...files]) {
    const path = `${options.routePrefix}${name}`
    const { statusCode, headers, rawPayload } = await app.inject(path)
    const kept = KEPT_HEADERS.flatMap((header) =>
      headers[header] === undefined ? [] : [[header, String(headers[header])]],
    )
    pages.set(path, { status: statusCode, headers: Object.fromEntries(kept), body: rawPayload })
  }
  await app.close()
  return pages
}
