import type { Test } from 'tap'
import { configurationFile } from './config-file.ts'
import { RECEIVER_SECRET } from './receivers.ts'
import { type Service, startService } from './service.ts'

export interface Exposed {
  type: string
  labels: string[]
  /** `label=value`, for each value that was seen. */
  values: Set<string>
}

/** The metrics that `/metrics` returns, by name. */
export async function exposedBy({ call }: Service): Promise<Map<string, Exposed>> {
  const { text } = await call('GET', '/metrics')
  const exposed = new Map<string, Exposed>()
  for (const [, name, type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm))
    exposed.set(String(name), { type: String(type), labels: [], values: new Set() })
  for (const [, sample, list = ''] of text.matchAll(/^([a-z_]+)(?:\{(.*)\})? \S+$/gm)) {
    const metric = exposed.get(String(sample)) ?? exposed.get(String(sample).replace(/_[a-z]+$/, ''))
    if (!metric) throw new Error(`No type of ${sample}`)
    const labels = [...list.matchAll(/([a-z]+)="(.*?)"/g)].filter(([, label]) => label !== 'le')
    metric.labels = labels.map(([, label]) => String(label))
    for (const [, label, value] of labels) metric.values.add(`${label}=${value}`)
  }
  return exposed
}

/** A service that has counted something in every metric. */
export async function busyService(t: Test): Promise<Service> {
  // Nothing listens there.
  const receiver = { name: 'siem', url: 'http://127.0.0.1:9/', secret: RECEIVER_SECRET }
  const file = configurationFile(t, { receivers: [receiver], receiverNetworks: ['127.0.0.1'] })
  const environment = { MASS_REVOCATION_USERS: '3', CONFIG_FILE: file.path }
  const service = await startService(t, { environment })
  const { tenant } = service.sandbox
  tenant.deprecations.add({ route: 'list', sunset: 'Tue, 30 Nov 2027 00:00:00 GMT' })
  const { id } = service.userWithTokens(2)
  for (const user of [{ userId: id }, { userId: 'nobody' }, { email: 'nobody@example.com' }])
    await service.revoke(user)
  tenant.order({ kind: 'status', status: 403, route: 'list' })
  await service.revoke({}, `/users/${id}/revoke-all`)
  await service.call('POST', '/revocations', { body: {} })
  await service.call('POST', '/sources/nobody/webhook', { body: {} })
  await service.call('GET', '/revocations', { headers: { authorization: '' } })
  await service.call('POST', '/logout-hook', { body: { userId: 'too many' } })
  return service
}
