import t from 'tap'
import { configurationFile, mistakesIn } from '../../support/config-file.ts'
import { keysOf } from '../../support/configuration.ts'
import { vendorOf } from '../../support/vendor-service.ts'

t.test('a file may contain one secret, or several during a rotation', async (t) => {
  const { secret, otherSecret } = vendorOf('workos')
  const entry = { name: 'w', kind: 'workos', secretFile: 'secrets/workos' }
  for (const [content, mistakes] of [
    [`${secret}\n`, 0],
    [`${secret}\n${otherSecret}\n`, 0],
    [`${secret}\nshort\n`, 1],
    ['', 1],
    [Array.from({ length: 6 }, (_, index) => `${secret}${index}`).join('\n'), 1],
  ] as const) {
    const file = configurationFile(t, { sources: [entry] })
    file.beside('secrets/workos', content)
    const found = await mistakesIn(t, { sources: [] }, { CONFIG_FILE: file.path })
    t.same(keysOf(found), mistakes ? ['CONFIG_FILE /sources/0/secretFile'] : [])
  }
})

t.test("a vendor's entry has exactly one kind of secret", async (t) => {
  const secret = vendorOf('fusionauth').secret
  const jwksUri = 'https://auth.example.com/.well-known/jwks.json'
  const entry = { name: 'f', kind: 'fusionauth' }
  t.same(await mistakesIn(t, { sources: [{ ...entry, jwksUri }] }), [])
  t.same(keysOf(await mistakesIn(t, { sources: [{ ...entry, secret, jwksUri }] })), [
    'CONFIG_FILE /sources/0',
  ])
  t.same(keysOf(await mistakesIn(t, { sources: [entry] })), ['CONFIG_FILE /sources/0'])
  const http = { ...entry, jwksUri: 'http://auth.example.com/jwks' }
  t.same(keysOf(await mistakesIn(t, { sources: [http] })), ['CONFIG_FILE /sources/0/jwksUri'])
  const clerk = { name: 'c', kind: 'clerk', secret: 'no-secret-of-svix-at-all' }
  t.same(keysOf(await mistakesIn(t, { sources: [clerk] })), ['CONFIG_FILE /sources/0/secret'])
})
