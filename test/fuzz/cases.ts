import { GENERATORS } from './generators.ts'
import { Random } from './random.ts'
import { type FuzzCase, toCase } from './request.ts'
import type { Known } from './target.ts'
import { anyJson, mutateBytes, mutateJson, mutateText } from './values.ts'

/** Of all requests; the rest is well-formed HTTP. */
const RAW = 0.12
const CONFIGURATIONS = 0.004

/** A configuration file to load, instead of a request. */
export interface FuzzConfiguration {
  kind: 'configuration'
  content: string
}

/** What the run with this seed sends as its request with this number. */
export async function caseOf(
  seed: number,
  number: number,
  known: Known,
): Promise<FuzzCase | FuzzConfiguration> {
  const random = new Random(seed, number)
  if (random.chance(CONFIGURATIONS)) return { kind: 'configuration', content: configurationOf(random, known) }
  const isRaw = random.chance(RAW)
  const wellFormed = await requestOf(random, known)
  if (!isRaw) return wellFormed
  // A changed request with valid credentials may still have them.
  const { isAuthentic } = wellFormed
  return {
    ...wellFormed,
    kind: `raw: ${wellFormed.kind}`,
    isRaw,
    isAuthentic,
    bytes: rawBytes(random, wellFormed.bytes),
  }
}

async function requestOf(random: Random, known: Known): Promise<FuzzCase> {
  const point = random.next()
  let sum = 0
  for (const [share, generate] of GENERATORS) {
    sum += share
    if (point < sum) return toCase(await generate(random, known))
  }
  throw new Error('The shares of the generators add up to less than 1.')
}

const SMUGGLED = [
  'transfer-encoding: chunked\r\ncontent-length: 5\r\n',
  'transfer-encoding: identity\r\n',
  'transfer-encoding: chunked, identity\r\n',
  'content-length: 5\r\ncontent-length: 6\r\n',
  'content-length: -1\r\n',
  'content-length: 0x10\r\n',
  ' folded: x\r\n',
  'x\0: y\r\n',
  'host: other\r\n',
  `x: ${'y'.repeat(20_000)}\r\n`,
  'x: y\r\n'.repeat(3_000),
  'connection: upgrade\r\nupgrade: h2c\r\n',
] as const

/** Bytes that are not, or not quite, HTTP. */
function rawBytes(random: Random, bytes: Buffer): Buffer {
  const text = bytes.toString('latin1')
  switch (random.int(8)) {
    case 0:
      return random.bytes(random.length(2_000))
    case 1:
      return Buffer.from(text.replace('host: curfew\r\n', random.pick(SMUGGLED)), 'latin1')
    case 2:
      return Buffer.from(
        text.replace('host: curfew\r\n', `host: curfew\r\n${random.pick(SMUGGLED)}`),
        'latin1',
      )
    case 3:
      return bytes.subarray(0, random.int(bytes.length))
    case 4:
      return Buffer.concat(Array.from({ length: 2 + random.int(30) }, () => bytes))
    case 5:
      return Buffer.from(
        text.replace('HTTP/1.1', String(random.pick(['HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'HTCPCP/1.0', '']))),
        'latin1',
      )
    case 6:
      return Buffer.from(text.replaceAll('\r\n', '\n'), 'latin1')
    default:
      return mutateBytes(random, bytes)
  }
}

function configurationOf(random: Random, { configuration }: Known): string {
  const text = JSON.stringify(configuration)
  if (random.chance(0.2)) return mutateText(random, text)
  if (random.chance(0.1)) return JSON.stringify(anyJson(random)) ?? ''
  return JSON.stringify(mutateJson(random, configuration, 0.02)) ?? ''
}
