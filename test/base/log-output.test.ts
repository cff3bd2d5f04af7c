import { Writable } from 'node:stream'
import t from 'tap'
import { LogOutput } from '../../src/base/log-output.ts'

/** A stream whose reader takes what it gets when the test says so. */
function heldStream() {
  const read: string[] = []
  const held: (() => void)[] = []
  const stream = new Writable({
    decodeStrings: false,
    write(text, _encoding, done) {
      read.push(String(text))
      held.push(done)
    },
  })
  const readAll = async () => {
    while (stream.writableLength > 0) {
      held.shift()?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return { stream, read, readAll }
}

t.test('while the reader hangs, a bounded part of the log waits, and the rest is counted', async (t) => {
  const { stream, read, readAll } = heldStream()
  const output = new LogOutput(stream, 50_000)
  const lost: number[] = []
  output.onLost((lines) => void lost.push(lines))
  for (let index = 0; index < 100; index += 1) output.write('x'.repeat(1_000))
  t.equal(stream.writableLength, 50_000)
  await readAll()
  t.equal(read.length, 50)
  t.same(lost, [50], 'reported once')
  output.write('later')
  t.equal(read.at(-1), 'later')
})

t.test('it resolves when all lines are written, or when the time is over', async (t) => {
  const { stream, readAll } = heldStream()
  const output = new LogOutput(stream)
  await output.flushed(600_000)
  output.write('x'.repeat(100_000))
  await output.flushed(1)
  const flushed = output.flushed(600_000)
  await readAll()
  await flushed
  t.equal(stream.writableLength, 0)
})

t.test('lines are dropped once the reader has ended', async (t) => {
  const { stream } = heldStream()
  const output = new LogOutput(stream)
  output.write('x'.repeat(100_000))
  const flushed = output.flushed(600_000)
  stream.destroy(new Error('EPIPE'))
  await flushed
  output.write('more')
  await output.flushed(600_000)
  t.equal(stream.destroyed, true)
})
