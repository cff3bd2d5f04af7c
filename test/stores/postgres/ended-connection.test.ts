import { createServer } from 'node:net'
import t from 'tap'
import { PostgresDatabase } from '../../../src/stores/postgres/database.ts'
import { rejection } from '../../support/events.ts'
import { listen } from '../../support/listen.ts'

/** A message of PostgreSQL's protocol (version 3, "Message Formats"). */
function message(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([Buffer.from(type), length, body])
}

const AUTHENTICATION_OK = message('R', Buffer.alloc(4))
const READY_FOR_QUERY = message('Z', Buffer.from('I'))
const SHUTTING_DOWN = message('E', Buffer.from('SFATAL\0C57P01\0Mterminating connection\0\0'))

t.test(
  'a connection that the server ends in the packet that opens it is an error, not a crash',
  async (t) => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () =>
        socket.end(Buffer.concat([AUTHENTICATION_OK, READY_FOR_QUERY, SHUTTING_DOWN])),
      )
    })
    const port = await listen(server)
    t.teardown(() => server.close())
    const database = new PostgresDatabase(`postgres://curfew@127.0.0.1:${port}/curfew`, 2)
    t.teardown(() => database.close())
    const work = async () => t.fail('there is no transaction')
    t.match(await rejection(database.transaction(work)), { code: 'CURFEW_STORE_UNAVAILABLE' })
    t.match(await rejection(database.query('SELECT 1')), { code: 'CURFEW_STORE_UNAVAILABLE' })
  },
)
