import { BlockList, isIP } from 'node:net'

/**
 * Addresses that are not public, by the registries of IANA for IPv4 and IPv6
 * (https://www.iana.org/assignments/iana-ipv4-special-registry, iana-ipv6-special-registry). Of IPv6, everything outside
 * 2000::/3: loopback, link-local, unique local, multicast, IPv4-mapped and NAT64 addresses.
 */
const NOT_PUBLIC = {
  ipv4: networksOf([
    ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
    ...[
      '192.0.0.0/24',
      '192.0.2.0/24',
      '192.88.99.0/24',
      '192.168.0.0/16',
      '198.18.0.0/15',
      '198.51.100.0/24',
    ],
    ...['203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
  ]),
  // A list of its own: Node compares IPv4 addresses with networks of IPv6 in their mapped form.
  ipv6: networksOf(['::/3', '4000::/2', '8000::/1', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']),
}

/** Whether a text is an IP address or a network in CIDR notation, and not a network of all addresses. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/')
  const version = isIP(address)
  if (version === 0 || more.length > 0) return false
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
}

/** Networks to compare addresses with. @param networks see `isNetwork` */
export function networksOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    const [family, all] = isIP(address) === 4 ? (['ipv4', 32] as const) : (['ipv6', 128] as const)
    list.addSubnet(address, bits === undefined ? all : Number(bits), family)
  }
  return list
}

/** Whether an IP address is public, or in one of the allowed networks. */
export function isAllowedAddress(address: string, allowed: BlockList): boolean {
  const version = isIP(address)
  if (version === 0) return false
  const family = version === 4 ? 'ipv4' : 'ipv6'
  return allowed.check(address, family) || !NOT_PUBLIC[family].check(address, family)
}

/**
 * The address in the host of a URL, which is connected to without a lookup; null if it is a name. The URL parser has
 * already normalised other forms, such as decimal and hexadecimal ones.
 */
export function addressIn(url: string): string | null {
  const host = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1')
  return isIP(host) === 0 ? null : host
}
