import t from 'tap'
import { addressIn, isAllowedAddress, isNetwork, networksOf } from '../../src/base/public-addresses.ts'

const NONE = networksOf([])

t.test('only public addresses are allowed', async (t) => {
  for (const address of ['8.8.8.8', '1.1.1.1', '172.32.0.1', '2606:4700::1111', '2a00:1450::1'])
    t.ok(isAllowedAddress(address, NONE), address)
  const refused = [
    ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254', '172.16.0.1'],
    ...['172.31.255.255', '192.168.0.1', '198.18.0.1', '224.0.0.1', '240.0.0.1', '255.255.255.255'],
    ...[
      '::',
      '::1',
      '::ffff:127.0.0.1',
      '::ffff:8.8.8.8',
      '64:ff9b::7f00:1',
      '64:ff9b:1::1',
      '2002:7f00:1::',
    ],
    ...['fc00::1', 'fd00:ec2::254', 'fe80::1', 'ff02::1', '2001:db8::1', 'no address', ''],
  ]
  for (const address of refused) t.notOk(isAllowedAddress(address, NONE), address)
})

t.test('listed addresses and networks are allowed, and nothing beside them', async (t) => {
  const allowed = networksOf(['127.0.0.1', '10.1.0.0/16', 'fd00::/64'])
  for (const address of ['127.0.0.1', '10.1.255.255', 'fd00::1'])
    t.ok(isAllowedAddress(address, allowed), address)
  for (const address of ['127.0.0.2', '10.2.0.0', 'fd00:0:0:1::1', '::1'])
    t.notOk(isAllowedAddress(address, allowed), address)
})

t.test('a network of all addresses is none', async (t) => {
  for (const text of ['10.0.0.0/8', '127.0.0.1', '::1', 'fd00::/8', '10.0.0.1/32'])
    t.ok(isNetwork(text), text)
  for (const text of ['0.0.0.0/0', '::/0', '10.0.0.0/33', '10.0.0.0/', 'localhost', '10.0.0.0/8/8', ''])
    t.notOk(isNetwork(text), text)
})

t.test('the address in a url is found in every form', async (t) => {
  for (const host of ['2130706433', '0x7f.1', '127.1', '0177.0.0.1', '127.0.0.1.'])
    t.equal(addressIn(`https://${host}/`), '127.0.0.1', host)
  t.equal(addressIn('https://[::ffff:127.0.0.1]/'), '::ffff:7f00:1')
  t.equal(addressIn('https://localhost/'), null)
})
