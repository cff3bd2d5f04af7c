import t from 'tap'
import { readArguments } from '../../src/sandbox/arguments.ts'
import { behaviourSchema } from '../../src/sandbox/behaviour.ts'
import { USAGE } from '../../src/sandbox/usage.ts'

const read = (...settings: string[]) => readArguments(settings.flatMap((given) => ['--set', given])).sandbox

t.test('a setting that is not JSON is a string', async (t) => {
  t.match(read(), { latencyMs: 0, control: true })
  t.match(
    read(
      'lagAfterRevokeMs=5000',
      'paging=offset',
      'cursorLifetimeMs=null',
      'linkOrigin=http://a/?b=c',
      'latencyMs=3',
    ),
    {
      lagAfterRevokeMs: 5_000,
      paging: 'offset',
      cursorLifetimeMs: null,
      linkOrigin: 'http://a/?b=c',
      latencyMs: 3,
    },
  )
})

t.test('an unknown setting or value is rejected', async (t) => {
  for (const setting of ['paging=random', 'port=1', 'control=false', 'latencyMs=-1', 'latencyMs', '']) {
    t.throws(() => read(setting), /--set: /, setting)
  }
})

t.test('the usage lists every setting with its default', async (t) => {
  for (const name of behaviourSchema.keyof().options) t.match(USAGE, new RegExp(`^  ${name}=\\S* `, 'm'))
  t.match(USAGE, /^ {2}lagAfterRevokeMs=0 +how long/m)
})
