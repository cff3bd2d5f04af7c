import { join } from 'node:path'
import t from 'tap'
import { createAccept } from '../../src/revocation/accept.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { existing } from '../conformance/stores.ts'
import { fakeClock } from '../support/clock.ts'
import { qlikTenant } from '../support/qlik-tenant.ts'
import { temporaryFolder } from '../support/service.ts'
import { AN_ORIGIN, aSignal, T0 } from '../support/signals.ts'

t.test(
  "a time from a sender's clock that is ahead of ours is kept as one reading of the instant",
  async (t) => {
    const clock = fakeClock(T0)
    const store = openSqliteStore(join(temporaryFolder(t), 'curfew.db'), clock)
    t.teardown(() => store.close())
    // The tenant's clock is a minute ahead of ours, and so is the sender's.
    const ahead = T0 + 60_000 - clock.monotonic()
    const tenant = qlikTenant({ clockOffset: () => ({ earliest: ahead, latest: ahead + 900 }) })
    const accept = createAccept({ store, tenants: { ifOpen: () => tenant }, clock, onAccepted: () => {} })
    const { revocations } = await accept(
      [aSignal({ occurredAt: T0 + 30_000, acceptedAt: T0 })],
      null,
      AN_ORIGIN,
    )
    const { occurredAt, signalTime } = existing(revocations[0])
    t.equal(occurredAt, T0, 'it is never later than the acceptance')
    const { earliest, latest } = signalTime?.open?.measured ?? signalTime?.tenant ?? {}
    t.same({ earliest, latest }, { earliest: T0 + 30_000, latest: T0 + 60_900 })
  },
)
