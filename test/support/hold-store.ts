import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { aSignal, T0 } from './signals.ts'

// A process of its own that holds the store in the file it is given, and accepts a signal when told to.
const store = openSqliteStore(String(process.argv[2]))
process.on('message', async () => {
  const { revocations } = await store.accept([aSignal()], null, T0)
  process.send?.(revocations[0]?.id)
})
process.send?.('open')
