import { z } from 'zod'
import { isSecureAddress } from '../base/config-formats.ts'
import type { InvalidMember } from '../base/errors.ts'
import { pointer } from '../base/json-pointer.ts'

/**
 * Only the names in the file. Unlike the full schema, it parses any file, so other mistakes never hide wrong
 * references.
 */
const anything = z.unknown().optional()
const texts = z.array(z.unknown()).catch([])
const Restricted = z.array(z.looseObject({ name: anything, tenants: texts }).catch({ tenants: [] })).catch([])
const Source = z.looseObject({
  ...{ name: anything, tenant: anything, tenantFrom: anything, issuer: anything, jwksUri: anything },
  transmitter: z.looseObject({ configurationUrl: anything }).optional().catch(undefined),
  tenants: texts.optional(),
})
const References = z
  .looseObject({
    clients: z.record(z.string(), z.unknown()).catch({}),
    tenants: z
      .array(z.looseObject({ name: anything, client: anything, clients: texts }).catch({ clients: [] }))
      .catch([]),
    apiKeys: Restricted,
    webhookSecrets: Restricted,
    sources: z.array(Source.catch({})).catch([]),
    receivers: z
      .array(
        z.looseObject({ name: anything, tenants: texts, events: texts }).catch({ tenants: [], events: [] }),
      )
      .catch([]),
  })
  .catch({ clients: {}, tenants: [], apiKeys: [], webhookSecrets: [], sources: [], receivers: [] })

type Note = (expected: string, ...path: PropertyKey[]) => void

/**
 * Finds duplicate names, references to unknown names, and members that contradict each other.
 * @param named the tenants configured outside the file
 */
export function wrongReferences(json: unknown, named: readonly string[]): InvalidMember[] {
  const references = References.parse(json)
  const wrong: InvalidMember[] = []
  const note: Note = (expected, ...path) => wrong.push({ member: pointer(path), expected })
  const names = new Set<unknown>(named)
  for (const [index, { name, client, clients }] of references.tenants.entries()) {
    if (typeof name === 'string' && names.has(name))
      note('expected a unique tenant name', 'tenants', index, 'name')
    names.add(name)
    if (typeof client === 'string' && !Object.hasOwn(references.clients, client))
      note('expected the name of an entry in clients', 'tenants', index, 'client')
    for (const [position, one] of clients.entries()) {
      if (typeof one !== 'string') continue
      if (!Object.hasOwn(references.clients, one))
        note('expected the name of an entry in clients', 'tenants', index, 'clients', position)
      if (clients.indexOf(one) < position)
        note('expected each client once', 'tenants', index, 'clients', position)
    }
  }
  const noteUnknown = (name: unknown, ...path: PropertyKey[]) => {
    if (typeof name === 'string' && !names.has(name))
      note('expected the name of a configured tenant', ...path)
  }
  for (const list of ['apiKeys', 'webhookSecrets'] as const) {
    const senderNames = new Set<unknown>()
    for (const [index, { name, tenants }] of references[list].entries()) {
      if (typeof name === 'string' && senderNames.has(name))
        note('expected a unique name', list, index, 'name')
      senderNames.add(name)
      for (const [position, name] of tenants.entries()) noteUnknown(name, list, index, 'tenants', position)
    }
  }
  const sourceNames = new Set<unknown>()
  for (const [index, source] of references.sources.entries()) {
    if (typeof source.name === 'string' && sourceNames.has(source.name))
      note('expected a unique source name', 'sources', index, 'name')
    sourceNames.add(source.name)
    noteUnknown(source.tenant, 'sources', index, 'tenant')
    for (const [position, name] of (source.tenants ?? []).entries())
      noteUnknown(name, 'sources', index, 'tenants', position)
    noteContradictions(source, (expected, member) => note(expected, 'sources', index, member))
  }
  const receiverNames = new Set<unknown>()
  for (const [index, { name, tenants, events }] of references.receivers.entries()) {
    if (typeof name === 'string' && receiverNames.has(name))
      note('expected a unique name', 'receivers', index, 'name')
    receiverNames.add(name)
    for (const [position, one] of tenants.entries()) noteUnknown(one, 'receivers', index, 'tenants', position)
    const rejected = events.indexOf('source.rejected')
    if (tenants.length > 0 && rejected !== -1)
      note('expected events of revocations: tenants is set', 'receivers', index, 'events', rejected)
  }
  return wrong
}

/** Reports members of a source that contradict each other. */
function noteContradictions(
  { tenant, tenantFrom, tenants, issuer, jwksUri, transmitter }: z.infer<typeof Source>,
  note: (expected: string, member: string) => void,
): void {
  if (tenant !== undefined && tenantFrom !== undefined)
    note('expected tenant or tenantFrom, not both', 'tenantFrom')
  if (tenants !== undefined && tenantFrom === undefined) note('expected tenantFrom to be set, too', 'tenants')
  if (typeof issuer !== 'string' || issuer === '' || isSecureAddress(issuer)) return
  if (jwksUri === undefined)
    note('expected https://… (http on loopback only) if jwksUri is not set', 'issuer')
  else if (transmitter && transmitter.configurationUrl === undefined)
    note(
      "expected https://… (http on loopback only) if the transmitter's configurationUrl is not set",
      'issuer',
    )
}
