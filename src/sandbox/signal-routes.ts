import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { ApiError, errorBody } from './api-error.ts'
import type { IdentityProvider } from './identity-provider/identity-provider.ts'
import { OrderError, SignalOrder } from './identity-provider/order.ts'
import type { Person } from './identity-provider/token-kinds.ts'
import { readInput } from './input.ts'
import type { Tenant } from './tenant.ts'

const rotationSchema = z.strictObject({ withdraw: z.boolean().optional() })

/** `/sandbox/*`: the identity provider's signals. */
export function signalRoutes(app: FastifyInstance, tenant: Tenant, provider: IdentityProvider): void {
  // A file with this answer is a valid CONFIG_FILE.
  app.get('/sandbox/sources', () => ({ sources: provider.sources }))
  app.get('/sandbox/signals', async () => ({ kinds: await provider.kinds() }))
  app.post('/sandbox/signals', async (request) => {
    const order = readInput(SignalOrder, request.body)
    try {
      return await provider.send(order, findPerson(tenant, order.user))
    } catch (error) {
      if (!(error instanceof OrderError)) throw error
      throw new ApiError(400, errorBody(400, { detail: error.message }))
    }
  })
  app.post('/sandbox/keys', (request) => provider.rotateKeys(readInput(rotationSchema, request.body ?? {})))
}

/** The tenant's user with this id, e-mail address or subject. A name that nobody has is sent as it is. */
function findPerson(tenant: Tenant, name: string | undefined): Person {
  const people = [...tenant.users.values()].filter(({ clientId }) => clientId === null)
  const found = people.find(
    ({ id, email, subject }) => name === undefined || [id, email, subject].includes(name),
  )
  if (found) return { userId: found.id, subject: found.subject, email: found.email }
  if (name === undefined) throw new OrderError('The tenant has no users: name one')
  return { userId: name, subject: name, email: name.includes('@') ? name : null }
}
