import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { aSignal, T0 } from './signals.ts'

// Runs as a separate process: opens the store in the given file, and accepts one signal for each message.
const store = openSqliteStore(String(process.argv[2]))
process.on('message', async () => {
  const { revocations } = await store.accept([aSignal()], null, T0)
  process.send?.(revocations[0]?.id)
})
process.send?.('open')
