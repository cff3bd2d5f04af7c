import { pointer } from '../base/json-pointer.ts'
import { addressIn, isAllowedAddress, networksOf } from '../base/public-addresses.ts'
import { NOTIFICATION_TYPES, type ReceiversConfig } from '../revocation/notification.ts'
import type { Mistake } from './read-environment.ts'
import type { ConfigFile } from './schema.ts'

/** The receivers of CONFIG_FILE. One that is restricted to tenants is by default notified only of revocations. */
export function toReceivers(
  receivers: ConfigFile['receivers'],
  networks: ConfigFile['receiverNetworks'],
): ReceiversConfig {
  const list = receivers.map((one) => {
    const secrets = [one.secret ?? one.secretFile, one.previousSecret ?? one.previousSecretFile]
    const own = NOTIFICATION_TYPES.filter((type) => one.tenants === undefined || type !== 'source.rejected')
    return {
      name: one.name,
      url: one.url,
      secrets: secrets.filter((secret) => secret !== undefined),
      events: [...new Set(one.events ?? own)],
      tenants: one.tenants ? [...new Set(one.tenants)] : null,
      onlyIfNamed: one.onlyIfNamed ?? false,
    }
  })
  return { list, networks }
}

const NOT_PUBLIC = 'expected a public address, or one in receiverNetworks'

/** Receivers whose url contains an address that is not allowed. Names are looked up when a notification is sent. */
export function receiverMistakes({ list, networks }: ReceiversConfig): Mistake[] {
  const allowed = networksOf(networks)
  return list.flatMap(({ url }, index) => {
    const address = addressIn(url)
    if (address === null || isAllowedAddress(address, allowed)) return []
    return [{ key: `CONFIG_FILE ${pointer(['receivers', index, 'url'])}`, expected: NOT_PUBLIC }]
  })
}
