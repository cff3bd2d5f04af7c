import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { configurationFile } from '../support/config-file.ts'
import { KEY, mistakesOf } from '../support/configuration.ts'
import { folderWith } from '../support/service.ts'

t.test('files that every user can write are rejected: anyone could add a key', async (t) => {
  const folder = folderWith(t, { key: KEY })
  const { path } = configurationFile(t, { tenants: [], apiKeys: [{ keyFile: join(folder, 'key') }] })
  for (const [mode, isRejected] of [
    [0o600, false],
    [0o664, false],
    [0o602, true],
    [0o666, true],
  ] as const) {
    chmodSync(path, mode)
    chmodSync(join(folder, 'key'), 0o600)
    t.same(
      await mistakesOf({ CONFIG_FILE: path, API_KEYS: '' }),
      isRejected
        ? [
            {
              key: 'CONFIG_FILE',
              expected: 'expected a file that other users of the machine cannot write (chmod o-w)',
            },
          ]
        : [],
    )
    chmodSync(path, 0o600)
    chmodSync(join(folder, 'key'), mode)
    const expected = 'expected the path of a readable file that others cannot write'
    const inFile = { key: 'CONFIG_FILE /apiKeys/0/keyFile', expected }
    t.same(await mistakesOf({ CONFIG_FILE: path, API_KEYS: '' }), isRejected ? [inFile] : [])
    const own = { key: 'API_KEYS_FILE', expected }
    t.same(await mistakesOf({ API_KEYS: '', API_KEYS_FILE: join(folder, 'key') }), isRejected ? [own] : [])
  }
})
