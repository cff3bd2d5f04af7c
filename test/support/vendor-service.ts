import type { Test } from 'tap'
import { VENDORS, type Vendor } from '../../src/sandbox/identity-provider/vendors.ts'
import type { Reply } from './service.ts'
import { type SourceService, type SourceServiceOptions, startWithSources } from './source-service.ts'

/** The simulated vendor of this kind. */
export function vendorOf(kind: Vendor['kind']): Vendor {
  const found = VENDORS.find((vendor) => vendor.kind === kind)
  if (!found) throw new Error(`no vendor ${kind}`)
  return found
}

export interface VendorService {
  service: SourceService
  /** Sends this body as the vendor would, with these changes. */
  send: (body: unknown, different?: Different) => Promise<Reply>
  /** All revocations, in the order of their users. */
  stored: () => Promise<Stored[]>
  /** How many signals of the source had this result. */
  counted: (result: string) => Promise<number>
}

export interface Stored {
  user: object
  reason: string
  scope: string
  occurredAt: string
  source: string
}

export interface Different {
  secret?: string
  /** ms since the epoch */
  at?: number
  headers?: Record<string, string>
  /** Sent instead of the signed body. */
  instead?: string | Uint8Array
}

const NAME = 'the-source'
export const PATH = `/sources/${NAME}/webhook`

/** Starts the service with one source of this kind. */
export async function vendorService(
  t: Test,
  vendor: Vendor,
  entry: object = {},
  options: SourceServiceOptions = {},
): Promise<VendorService> {
  const source = { name: NAME, kind: vendor.kind, secret: vendor.secret, ...vendor.entry, ...entry }
  const service = await startWithSources(t, [source], options)
  return {
    service,
    async send(body, different = {}) {
      const { secret = vendor.secret, at = (options.clock ?? Date).now(), headers = {}, instead } = different
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const proof = await vendor.sign(text, { secret, at })
      const all = { authorization: '', 'content-type': 'application/json', ...proof, ...headers }
      return service.call('POST', PATH, { headers: all, body: instead ?? text })
    },
    async stored() {
      const byUser = (a: Stored, b: Stored) => JSON.stringify(a.user).localeCompare(JSON.stringify(b.user))
      return (await service.stored()).toSorted(byUser)
    },
    counted: async (result) => (await service.counts())[`${NAME} ${result}`] ?? 0,
  }
}
