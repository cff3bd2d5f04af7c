import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { BodyPace, CHUNKS_PER_TURN } from '../../src/http/body-pace.ts'
import { fakeClock } from '../support/clock.ts'

const KB = 1024

/** Bodies that are being received. */
function receive(pace: BodyPace, count: number, onRefused = () => {}) {
  return Array.from({ length: count }, () => {
    const body = new PassThrough({ highWaterMark: 1_000 * KB })
    pace.limit(body as unknown as IncomingMessage, new EventEmitter() as ServerResponse, onRefused)
    return body.on('data', () => {})
  })
}

t.test('of many large bodies, sixteen continue at a time', async (t) => {
  const clock = fakeClock()
  const bodies = receive(new BodyPace(clock), 20)
  await nextTurn()
  for (const body of bodies) body.write(Buffer.alloc(64 * KB))
  const paused = () => bodies.filter((body) => body.isPaused()).length
  while (clock.untilNextTimer() === null) await nextTurn()
  t.equal(clock.untilNextTimer(), 50)
  t.equal(paused(), 4)
  clock.advance(50)
  t.equal(paused(), 0)
  t.equal(clock.untilNextTimer(), null)
})

t.test('a body may have fewer chunks while others have many', async (t) => {
  let refused = 0
  const bodies = receive(new BodyPace(fakeClock()), 6, () => {
    refused += 1
  })
  await nextTurn()
  const send = (chunks: number) => {
    for (const body of bodies)
      for (let chunk = 0; chunk < chunks; chunk += 1) body.emit('data', Buffer.alloc(1))
  }
  send(CHUNKS_PER_TURN / 2)
  t.equal(refused, 0, 'few in total')
  await nextTurn()
  send(CHUNKS_PER_TURN)
  t.equal(refused, 2, 'those after 10,000 chunks in total')
})
