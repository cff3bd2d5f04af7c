import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A receiver and a collector: accepts every request. Its process shares no event loop with the measurement. */
const server = createServer((request, response) => {
  request.resume().once('end', () => response.end())
}).listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  process.send?.({ url: `http://127.0.0.1:${port}` })
})
process.once('disconnect', () => process.exit(0))
