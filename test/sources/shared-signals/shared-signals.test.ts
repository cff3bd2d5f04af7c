import t from 'tap'
import { configurationFile, mistakesIn } from '../../support/config-file.ts'
import { keysOf, mistakesOf } from '../../support/configuration.ts'
import { RISC, startPush } from '../../support/shared-signals.ts'

const ENTRY = { kind: 'shared-signals', name: 'idp', issuer: 'https://idp.example.com', audience: 'a' }
const PUSH_URL = 'https://curfew.example.com/sources/idp/events'

t.test('an entry configures the delivery of events and the token for the transmitter', async (t) => {
  const place = 'CONFIG_FILE /sources/0/transmitter'
  const table: [transmitter: object, mistakes: string[]][] = [
    [{ delivery: 'poll', token: 't' }, []],
    [{ delivery: 'push', token: 't', pushUrl: PUSH_URL }, []],
    [{ delivery: 'poll', token: 't', pushUrl: PUSH_URL }, [place]],
    [{ delivery: 'push', token: 't' }, [place]],
    [{ delivery: 'poll' }, [place]],
    [{ delivery: 'poll', token: 't', tokenFile: 'not-there' }, [`${place}/tokenFile`, place]],
    [{ delivery: 'fax' }, [`${place}/delivery`, place]],
    [{ delivery: 'poll', token: `\${NOT_SET}` }, [`${place}/token`]],
    [{ delivery: 'poll', tokenFile: 'not-there' }, [`${place}/tokenFile`]],
    [
      { delivery: 'poll', token: 't', configurationUrl: 'http://idp.example.com/x' },
      [`${place}/configurationUrl`],
    ],
    [{ delivery: 'fax', token: 't' }, [`${place}/delivery`]],
    [{ delivery: 'poll', token: 't', more: 1 }, [`${place}/more`]],
  ]
  for (const [transmitter, mistakes] of table) {
    const found = await mistakesIn(t, { sources: [{ ...ENTRY, transmitter }] })
    t.same(keysOf(found), mistakes, JSON.stringify(transmitter))
  }
})

t.test('instead of a token, an entry may have an OAuth client with one secret', async (t) => {
  const place = 'CONFIG_FILE /sources/0/transmitter'
  const client = { tokenUrl: 'https://as.example.com/token', clientId: 'c', clientSecret: 's' }
  const { clientSecret: _, ...bare } = client
  const table: [transmitter: object, mistakes: string[]][] = [
    [{ oauth: client }, []],
    [{ oauth: { ...client, scope: 'ssf.manage ssf.read' } }, []],
    [{ oauth: { ...client, tokenUrl: 'http://127.0.0.1:1/token' } }, []],
    [{ oauth: client, token: 't' }, [place]],
    [{ oauth: { ...client, tokenUrl: 'http://as.example.com/token' } }, [`${place}/oauth/tokenUrl`]],
    [{ oauth: bare }, [`${place}/oauth`]],
    [
      { oauth: { ...client, clientSecretFile: 'not-there' } },
      [`${place}/oauth/clientSecretFile`, `${place}/oauth`],
    ],
    [{ oauth: { ...bare, clientSecret: `\${NOT_SET}` } }, [`${place}/oauth/clientSecret`]],
    [{ oauth: { ...client, scope: '' } }, [`${place}/oauth/scope`]],
    [{ oauth: { ...client, more: 1 } }, [`${place}/oauth/more`]],
  ]
  for (const [transmitter, mistakes] of table) {
    const found = await mistakesIn(t, {
      sources: [{ ...ENTRY, transmitter: { delivery: 'poll', ...transmitter } }],
    })
    t.same(keysOf(found), mistakes, JSON.stringify(transmitter))
  }
})

t.test('the required header of pushes is configured directly or by a file', async (t) => {
  const file = configurationFile(t, { sources: [] })
  const pushAuthorizationFile = file.beside('header', 'Bearer agreed')
  const wrong = async (entry: object) => {
    file.write({ sources: [{ ...ENTRY, ...entry }] })
    return keysOf(await mistakesOf({ CONFIG_FILE: file.path }))
  }
  t.same(await wrong({ pushAuthorization: 'Bearer agreed' }), [])
  t.same(await wrong({ pushAuthorizationFile }), [])
  const place = 'CONFIG_FILE /sources/0'
  const both = { pushAuthorization: 'Bearer agreed', pushAuthorizationFile }
  t.same(await wrong(both), [`${place}/pushAuthorizationFile`])
  t.same(await wrong({ ...both, audience: [] }), [`${place}/audience`, `${place}/pushAuthorizationFile`])
})

t.test('without a transmitter, no request is made until a token arrives', async (t) => {
  const { transmitter, service, push } = await startPush(t)
  t.same(transmitter.paths, [])
  t.equal((await push({ type: `${RISC}account-enabled` })).status, 202)
  t.same(transmitter.paths, ['/.well-known/ssf-configuration', '/jwks'])
  t.notMatch((await service.call('GET', '/health/ready')).text, 'stream:')
})
