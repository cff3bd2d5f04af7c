import { NOTIFICATION_TYPES, type ReceiverConfig } from '../../src/revocation/notification.ts'
import { Outbox } from '../../src/revocation/outbox.ts'

export const RECEIVER_SECRET = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'

/** A receiver of everything. */
export function aReceiver(different: Partial<ReceiverConfig> = {}): ReceiverConfig {
  return {
    name: 'siem',
    url: 'https://siem.example.com/hooks',
    secrets: [RECEIVER_SECRET],
    events: NOTIFICATION_TYPES,
    tenants: null,
    onlyIfNamed: false,
    ...different,
  }
}

/** An outbox for these receivers, by default for one. */
export function outboxFor(...receivers: ReceiverConfig[]): Outbox {
  const outbox = new Outbox()
  outbox.replace(receivers.length > 0 ? receivers : [aReceiver()])
  return outbox
}
