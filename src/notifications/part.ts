import type { FastifyPluginAsync } from 'fastify'
import type { Check } from '../base/check.ts'
import { type Clock, steadyNow } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { isRefusal } from '../http/rejection-audit.ts'
import type { Rejection } from '../http/rejections.ts'
import type { Recorder } from '../revocation/audit/recorder.ts'
import type { NewNotification, ReceiversConfig } from '../revocation/notification.ts'
import type { Outbox } from '../revocation/outbox.ts'
import type { NotificationStore, ReceiverBacklog } from '../revocation/store/notification-store.ts'
import type { Tracing } from '../revocation/tracing.ts'
import type { Deliveries } from './deliveries.ts'
import type { LookupAll } from './public-lookup.ts'
import type { ReceiverQueueOptions } from './receiver-queue.ts'
import { RejectedSources } from './rejected-sources.ts'
import { notificationRoutes } from './routes.ts'

export interface NotificationsOptions {
  store: NotificationStore
  outbox: Outbox
  recorder: Pick<Recorder, 'note'>
  clock: Clock
  random: () => number
  tracing: Pick<Tracing, 'detached'>
  log: Log
  onAttempt: ReceiverQueueOptions['onAttempt']
  /** Resolves the names of receivers instead of the system. */
  lookup?: LookupAll
}

/** The opened part. */
export interface Notifications {
  routes: FastifyPluginAsync
  /** Replaces the receivers: at the start, then at each reload. */
  replace(receivers: ReceiversConfig): void
  /** Called for each request or event that is rejected. */
  noteRejection(rejection: Pick<Rejection, 'source' | 'code' | 'isSignal' | 'events'>): void
  start(): void
  /** What waited for each receiver within the last minute; empty until it is known. */
  backlog(): readonly ReceiverBacklog[]
  /** Its checks for readiness. */
  checks(): Check[]
  stop(): Promise<void>
}

/** The optional part that notifies receivers: a folder, and a line in `src/parts.ts`. */
export type NotificationsPart = (options: NotificationsOptions) => Notifications

/** Without receivers it only answers its routes: nothing else is loaded, and nothing runs. */
export const notifications: NotificationsPart = (options) => {
  const { store, outbox, clock, tracing, log } = options
  const now = steadyNow(clock)
  let config: ReceiversConfig = { list: [], networks: [] }
  let loading: Promise<Deliveries> | null = null
  let deliveries: Deliveries | null = null
  let isStarted = false
  let isStopped = false
  let adding: Promise<void> = Promise.resolve()

  const add = (some: readonly NewNotification[]) => {
    const added = tracing.detached(() =>
      store.add(some).then(
        () => deliveries?.wake(some.map(({ receiver }) => receiver)),
        (error) => log.error({ err: error, lost: some.length }, 'notifications of rejected signals are lost'),
      ),
    )
    adding = Promise.all([adding, added]).then(() => {})
  }
  const rejected = new RejectedSources({ receivers: () => outbox.receivers(), add, now, clock })

  async function load(): Promise<Deliveries> {
    const { Deliveries } = await import('./deliveries.ts')
    deliveries = new Deliveries({ ...options, now })
    return deliveries
  }

  /** Applies the configuration as it is when everything is loaded. */
  async function apply(): Promise<void> {
    if (config.list.length === 0 && loading === null) return
    loading ??= load()
    const loaded = await loading
    if (isStopped) return
    loaded.replace(config)
    outbox.onCommitted = (receivers) => tracing.detached(() => loaded.wake(receivers))
    if (isStarted) tracing.detached(() => loaded.start())
  }

  return {
    routes: notificationRoutes({ ...options, now, deliveries: () => deliveries }),
    replace(receivers) {
      config = receivers
      outbox.replace(receivers.list)
      void apply()
    },
    noteRejection({ source, code, isSignal, events }) {
      if (isSignal && source !== 'unknown' && isRefusal(code)) rejected.note(source, code, events ?? 1)
    },
    start() {
      isStarted = true
      void apply()
    },
    backlog: () => deliveries?.backlog() ?? [],
    checks: () => deliveries?.checks() ?? [],
    async stop() {
      isStopped = true
      rejected.stop()
      await adding
      await (await loading)?.stop()
    },
  }
}
